import OpenAI, { APIConnectionTimeoutError, APIError } from 'openai';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { readAnswer } from './answer.ts';
import { parseObject } from './arguments.ts';
import type { ChatMessage, LlmAnswer } from './chat.ts';
import { errorKindOf, errorTextOf, llmError, parseRetryAfter, type LlmError } from './llm-error.ts';
import { toLlmTools } from './tool-choice.ts';
import type { Tool } from './tools/tool.ts';

export type { LlmAnswer } from './chat.ts';
export type { LlmError, LlmErrorKind } from './llm-error.ts';

export type CompletionRequest = {
  /** of an OpenAI-compatible server; `/chat/completions` is added to it */
  baseUrl: string;
  /** null for a server that wants none */
  apiKey: string | null;
  model: string;
  /** for the whole call, from connecting to the last byte of the body */
  timeoutMs: number;
  /** longest answer, in tokens */
  maxTokens: number;
  messages: readonly ChatMessage[];
  tools: readonly Tool[];
  signal?: AbortSignal;
  /** default: the runtime's */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
};

export type CompletionResult = { ok: true; answer: LlmAnswer } | { ok: false; error: LlmError };

// Sent always: what a server takes when they are absent differs from 0 to 1.
const TEMPERATURE = 0.2;
const TOP_P = 0.9;
/** No honest answer comes near; a server that never stops must not fill the memory. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * One call of the chat completions API. Never throws for what a server does; never retries, because the caller knows who else
 * waits. Asks for one answer at once (no stream), without tool_choice and response_format, which small servers ignore or refuse.
 */
export async function complete(request: CompletionRequest): Promise<CompletionResult> {
  const exchange = new Exchange(request);
  try {
    const body: unknown = await clientFor(request, exchange).chat.completions.create(
      {
        model: request.model,
        messages: request.messages.map(toWire),
        max_tokens: request.maxTokens,
        temperature: TEMPERATURE,
        top_p: TOP_P,
        stream: false,
        ...(request.tools.length === 0 ? {} : { tools: toLlmTools(request.tools) }),
      },
      ...(request.signal === undefined ? [] : [{ signal: request.signal }]),
    );
    return readAnswer(body, { mayBeEmpty: request.messages.at(-1)?.role === 'tool' });
  } catch (error) {
    return { ok: false, error: classify(error, exchange, request.signal) };
  } finally {
    exchange.end();
  }
}

function clientFor({ baseUrl, apiKey, timeoutMs }: CompletionRequest, exchange: Exchange): OpenAI {
  return new OpenAI({
    baseURL: baseUrl,
    // The package insists on a key. Where there is none, no header is sent either.
    apiKey: apiKey ?? 'none',
    defaultHeaders: apiKey === null ? { Authorization: null } : {},
    // Otherwise these come from OPENAI_… variables that were meant for other programs.
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    logLevel: 'off',
    // Ours ends first; the package's own does not cover the body of an error.
    timeout: timeoutMs + 1_000,
    fetch: async (url, init) => exchange.fetch(url instanceof Request ? url.url : String(url), init ?? {}),
  });
}

/** One request and its reply under one deadline, with the body read whole: a body that stalls ends like a silent server. */
class Exchange {
  timedOut = false;
  status: number | null = null;
  retryAfterMs: number | null = null;
  errorText = '';
  tooLarge = false;
  readonly #abort = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #fetch: NonNullable<CompletionRequest['fetch']>;

  constructor({ timeoutMs, signal, fetch }: CompletionRequest) {
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
    const response = await this.#fetch(url, { ...init, redirect: 'manual', signal: this.#abort.signal });
    const { status, headers } = response;
    this.status = status;
    this.retryAfterMs = parseRetryAfter(headers.get('retry-after'), Date.now());
    const text = await this.#readBody(response);
    this.errorText = errorTextOf(parsed(text));
    if (errorKindOf(status, this.errorText) !== null) throw new Error('the reply is an error');
    // Some servers send JSON under other names; what is not JSON fails in the package's own parser.
    return new Response(text, { status: 200, headers: { 'content-type': 'application/json' } });
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  async #readBody(response: Response): Promise<string> {
    if (response.body === null) return '';
    const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    const cancel = (): void => void reader.cancel().catch(() => undefined);
    this.#abort.signal.addEventListener('abort', cancel, { once: true });
    const decoder = new TextDecoder();
    let text = '';
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (this.#abort.signal.aborted) throw new Error('the body was given up');
      if (done) return text + decoder.decode();
      size += value.byteLength;
      this.tooLarge = size > MAX_BODY_BYTES;
      if (this.tooLarge) {
        cancel();
        throw new Error('the body is too large');
      }
      text += decoder.decode(value, { stream: true });
    }
  }
}

function classify(error: unknown, exchange: Exchange, signal: AbortSignal | undefined): LlmError {
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

function toWire(message: ChatMessage): ChatCompletionMessageParam {
  const content = message.content.toWellFormed();
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.toolCallId, content };
  if (message.role !== 'assistant') return { role: message.role, content };
  // Never null: Ollama refuses an assistant message without content and calls.
  if (message.toolCalls.length === 0) return { role: 'assistant', content };
  const calls = message.toolCalls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: objectText(text) },
  }));
  return { role: 'assistant', content, tool_calls: calls };
}

/** The text of an object, never empty: some servers parse the arguments of the history. */
function objectText(text: string): string {
  return text.trim() !== '' && parseObject(text) !== null ? text.toWellFormed() : '{}';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
