import { APIConnectionTimeoutError, APIError } from 'openai';
import { readBoundedText } from './bounded-body.ts';
import { errorKindOf, errorTextOf, llmError, parseRetryAfter, type LlmError } from './llm-error.ts';

export type ExchangeOptions = {
  /** from connecting to the last byte of the body */
  timeoutMs: number;
  signal?: AbortSignal;
  /** default: the runtime's */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
};

/** No honest answer comes near; a server that never stops must not fill the memory. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** One request and its reply under one deadline, with the body read whole: a body that stalls ends like a silent server. */
export class Exchange {
  timedOut = false;
  status: number | null = null;
  retryAfterMs: number | null = null;
  errorText = '';
  tooLarge = false;
  readonly #abort = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #fetch: NonNullable<ExchangeOptions['fetch']>;

  constructor({ timeoutMs, signal, fetch }: ExchangeOptions) {
    // Called without `this`: workerd refuses a fetch that is bound to something else.
    this.#fetch = fetch ?? ((url, init) => globalThis.fetch(url, init));
    signal?.addEventListener('abort', () => this.#abort.abort(), { signal: this.#abort.signal });
    this.#timer = setTimeout(() => {
      this.timedOut = true;
      this.#abort.abort();
    }, timeoutMs);
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    // A redirect is an error: following it could carry the key and the prompt to another host.
    const response = await this.#fetch(url, {
      ...init,
      redirect: 'manual',
      signal: this.#abort.signal,
    });
    const { status, headers } = response;
    this.status = status;
    this.retryAfterMs = parseRetryAfter(headers.get('retry-after'), Date.now());
    const text = await readBoundedText(response, MAX_BODY_BYTES, this.#abort.signal);
    this.tooLarge = text === null;
    if (text === null) throw new Error('the body is too large');
    this.errorText = errorTextOf(parsed(text));
    if (errorKindOf(status, this.errorText) !== null) throw new Error('the reply is an error');
    // Some servers send JSON under other names; what is not JSON fails in the package's own parser.
    return new Response(text, { status: 200, headers: { 'content-type': 'application/json' } });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }
}

/** The error of an exchange that ended with `error`. */
export function classify(
  error: unknown,
  exchange: Exchange,
  signal: AbortSignal | undefined,
): LlmError {
  if (signal?.aborted === true) return llmError('cancelled');
  if (exchange.timedOut || error instanceof APIConnectionTimeoutError) return llmError('timeout');
  if (exchange.tooLarge) return llmError('bad-answer');
  const { status } = exchange;
  // An opaque redirect has status 0.
  if (status === 0 || (status !== null && status >= 300 && status < 400)) {
    return llmError(
      'not-found',
      null,
      'The language model answers with a redirect. Set MANA_LLM_URL to the final address.',
    );
  }
  const kind = status === null ? null : errorKindOf(status, exchange.errorText);
  if (kind !== null) return llmError(kind, exchange.retryAfterMs);
  // The reply was good until the package could not parse it, or the connection ended before the body did.
  return llmError(error instanceof APIError || status === null ? 'unreachable' : 'bad-answer');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
