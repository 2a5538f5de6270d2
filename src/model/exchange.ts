import { APIConnectionTimeoutError, APIError } from 'openai';
import { createParser } from 'eventsource-parser';
import { readBoundedText } from './bounded-body.ts';
import { kindOfRefusal, llmError, parseRetryAfter, type LlmError } from './llm-error.ts';
import { readRefusal, type Refusal } from './refusal.ts';
import { StreamedCompletion } from './stream.ts';

export type ExchangeOptions = {
  /** from connecting to the last byte of the body */
  timeoutMs: number;
  /** longest silence of a stream that has begun to speak; default: 2 min */
  silenceMs?: number;
  signal?: AbortSignal;
  /** default: the runtime's */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
};

/** No honest answer comes near; a server that never stops must not fill the memory. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** llama.cpp's server says something every 30 s while it reads a prompt. */
const SILENCE_MS = 120_000;

const JSON_HEADERS = { 'content-type': 'application/json' };

/** One request and its reply under one deadline, with the body read whole: a body that stalls ends like a silent server. */
export class Exchange {
  timedOut = false;
  status: number | null = null;
  retryAfterMs: number | null = null;
  refusal: Refusal | null = null;
  /** where a gateway says that the answer comes from; null for a server that is none */
  gatewayBase: string | null = null;
  tooLarge = false;
  /** a stream that ended before the answer was whole */
  brokeOff = false;
  readonly #abort = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #silenceMs: number;
  readonly #fetch: NonNullable<ExchangeOptions['fetch']>;

  constructor({ timeoutMs, silenceMs = SILENCE_MS, signal, fetch }: ExchangeOptions) {
    // Called without `this`: workerd refuses a fetch that is bound to something else.
    this.#fetch = fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#silenceMs = silenceMs;
    signal?.addEventListener('abort', () => this.#abort.abort(), { signal: this.#abort.signal });
    this.#timer = setTimeout(() => this.#timeOut(), timeoutMs);
  }

  /** The reply as JSON, also where it came as a stream. Throws where it is no completion. */
  async fetch(url: string, init: RequestInit): Promise<Response> {
    // A redirect is an error: following it could carry the key and the prompt to another host.
    const response = await this.#fetch(url, {
      ...init,
      redirect: 'manual',
      signal: this.#abort.signal,
    });
    const { status, headers } = response;
    this.status = status;
    this.gatewayBase =
      headers.get('x-litellm-version') === null
        ? null
        : (headers.get('x-litellm-model-api-base') ?? '');
    // A gateway passes on what the server behind it asked for, and may ask for something itself.
    const waits = ['retry-after', 'llm_provider-retry-after'].map((name) =>
      parseRetryAfter(headers.get(name), Date.now()),
    );
    this.retryAfterMs = waits.every((wait) => wait === null)
      ? null
      : Math.max(...waits.map((wait) => wait ?? 0));
    const isStream = headers.get('content-type')?.includes('text/event-stream') === true;
    const { body, raw } = isStream
      ? await this.#readStream(response)
      : await this.#readWhole(response);
    this.refusal = readRefusal(status, body, raw);
    if (this.refusal !== null) throw new Error('the reply is an error');
    // Some servers send JSON under other names; what is not JSON fails in the package's own parser.
    return new Response(isStream ? JSON.stringify(body) : raw, {
      status: 200,
      headers: JSON_HEADERS,
    });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  #timeOut(): void {
    this.timedOut = true;
    this.#abort.abort();
  }

  async #readWhole(response: Response): Promise<{ body: unknown; raw: string }> {
    const text = await readBoundedText(response, MAX_BODY_BYTES, { signal: this.#abort.signal });
    if (text === null) this.#giveUpLarge();
    return { body: parsed(text ?? ''), raw: text ?? '' };
  }

  async #readStream(response: Response): Promise<{ body: unknown; raw: string }> {
    const completion = new StreamedCompletion();
    let refused: unknown;
    let isDone = false;
    const parser = createParser({
      onEvent: ({ data, event }) => {
        if (data.trim() === '[DONE]') isDone = true;
        const chunk = parsed(data);
        if (event === 'error' || readRefusal(200, chunk, data) !== null) refused ??= chunk;
        completion.take(chunk);
      },
    });
    // Silence is counted from the first byte on: until then a cold model may load for minutes.
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heard = (text: string): void => {
      clearTimeout(silence);
      silence = setTimeout(() => this.#timeOut(), this.#silenceMs);
      parser.feed(text);
    };
    try {
      const whole = await readBoundedText(response, MAX_BODY_BYTES, {
        signal: this.#abort.signal,
        heard,
      });
      if (whole === null) this.#giveUpLarge();
      parser.reset({ consume: true });
      if (refused !== undefined) return { body: refused, raw: '' };
      this.brokeOff = !isDone && !completion.isFinished;
      if (this.brokeOff) throw new Error('the stream broke off');
      return { body: completion.body(), raw: '' };
    } finally {
      clearTimeout(silence);
    }
  }

  #giveUpLarge(): never {
    this.tooLarge = true;
    throw new Error('the body is too large');
  }
}

/** The error of an exchange that ended with `error`. */
export function classify(
  error: unknown,
  exchange: Exchange,
  { signal, hasKey }: { signal: AbortSignal | undefined; hasKey: boolean },
): LlmError {
  if (signal?.aborted === true) return llmError('cancelled');
  if (exchange.timedOut || error instanceof APIConnectionTimeoutError) return llmError('timeout');
  if (exchange.tooLarge) return llmError('bad-answer');
  const { status, refusal, retryAfterMs } = exchange;
  // An opaque redirect has status 0.
  if (status === 0 || (status !== null && status >= 300 && status < 400))
    return llmError('not-found', { message: REDIRECTED });
  if (refusal !== null) {
    const { kind, message } = kindOfRefusal(refusal);
    const isBare =
      kind === 'server-error' && !hasKey && /^\s*Internal Server Error\s*$/i.test(refusal.text);
    const words = isBare ? WITHOUT_KEY : message;
    return llmError(kind, { retryAfterMs, ...(words === undefined ? {} : { message: words }) });
  }
  // The reply was good until the package could not parse it, or the connection ended before the body did.
  return llmError(
    exchange.brokeOff || error instanceof APIError || status === null
      ? 'unreachable'
      : 'bad-answer',
  );
}

const REDIRECTED =
  'The language model answers with a redirect. Set MANA_LLM_URL to the final address.';
/** LiteLLM answers so to a request without the key that it wants. */
const WITHOUT_KEY =
  'The language model reports an error of its own. Check the log of its server; if it wants a key, set MANA_LLM_API_KEY.';

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
