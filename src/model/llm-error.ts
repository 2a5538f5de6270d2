export type LlmErrorKind =
  | 'unreachable'
  | 'timeout'
  | 'cancelled'
  | 'rate-limited'
  | 'server-error'
  | 'unauthorized'
  | 'not-found'
  | 'bad-request'
  /** the server refused a prompt that is too long */
  | 'context-overflow'
  /** the server cut the prompt without a word */
  | 'context-truncated'
  | 'empty-answer'
  /** the longest answer was used up before a call was made */
  | 'answer-truncated'
  /** a model or a server that cannot call tools */
  | 'tool-less'
  | 'bad-answer';

/**
 * Why there is no answer. `message` is a sentence that says what to do; it never holds the key, text of the prompt or of the
 * server. `outage`: the fault is the server's state and no mission's (no connection, no answer in time, 429, 5xx).
 */
export type LlmError = {
  kind: LlmErrorKind;
  /** the kind for machines, `LLM_…` */
  code: string;
  outage: boolean;
  /** what the server asked for, at most 60 min; null where it asked for nothing */
  retryAfterMs: number | null;
  message: string;
};

const ADVICE: Record<LlmErrorKind, string> = {
  unreachable:
    'The language model cannot be reached. Check that its server runs and that MANA_LLM_URL points to it.',
  timeout:
    'The language model did not answer in time. Check its load; a smaller model or a higher MANA_LLM_TIMEOUT_MS helps.',
  cancelled: 'The call was cancelled.',
  'rate-limited':
    'The language model takes no more requests for now. Lower MANA_LLM_MAX_CONCURRENCY or raise the limit there.',
  'server-error': 'The language model reports an error of its own. Check the log of its server.',
  unauthorized:
    'The language model refuses the access. Check MANA_LLM_API_KEY and the account behind it.',
  'not-found':
    'The language model was not found. Check the path of MANA_LLM_URL and the name in MANA_LLM_MODEL.',
  'bad-request':
    'The language model refuses the request. Check that MANA_LLM_MODEL can chat and call tools.',
  'context-overflow':
    "The prompt is longer than the model's context. Raise the context of the server or lower MANA_LLM_MAX_TOOLS.",
  'context-truncated':
    'The server cut the beginning of the prompt to fit its context. Raise the context there (Ollama: a model with num_ctx) or lower MANA_LLM_MAX_TOOLS.',
  'empty-answer':
    'The language model answered with nothing. Raise MANA_LLM_MAX_TOKENS or use a model that thinks less.',
  'answer-truncated':
    'The answer was cut at its longest length before it called a tool. Raise MANA_LLM_MAX_TOKENS or use a model that says less.',
  'tool-less':
    'The language model cannot call tools here. Set MANA_LLM_MODEL to one that can, or turn tool calls on in its server.',
  'bad-answer':
    'The answer is not one of an OpenAI-compatible server. Check MANA_LLM_URL, and whether the model can call tools.',
};

const OUTAGES: ReadonlySet<LlmErrorKind> = new Set([
  'unreachable',
  'timeout',
  'rate-limited',
  'server-error',
]);

/** The error of a kind; `message` replaces the usual advice. */
export function llmError(
  kind: LlmErrorKind,
  retryAfterMs: number | null = null,
  message: string = ADVICE[kind],
): LlmError {
  const code = `LLM_${kind.toUpperCase().replaceAll('-', '_')}`;
  return { kind, code, outage: OUTAGES.has(kind), retryAfterMs, message };
}

const UNREADABLE: ReadonlySet<LlmErrorKind> = new Set([
  'bad-answer',
  'empty-answer',
  'answer-truncated',
  'tool-less',
]);

/** Whether there was an answer that no plan can be read from, as opposed to none at all. */
export function isUnreadable({ kind }: LlmError): boolean {
  return UNREADABLE.has(kind);
}

/** The usual message of an error's code; null for a code that is none of ours. */
export function adviceOf(code: string): string | null {
  const kind = code.replace(/^LLM_/, '').toLowerCase().replaceAll('_', '-');
  return code.startsWith('LLM_') && Object.hasOwn(ADVICE, kind)
    ? ADVICE[kind as LlmErrorKind]
    : null;
}

const MAX_RETRY_AFTER_MS = 60 * 60_000;

/** Retry-After (RFC 9110 section 10.2.3), seconds or a date, in ms from `nowMs`, within 0 and 60 min; null where it says nothing. */
export function parseRetryAfter(header: string | null, nowMs: number): number | null {
  const value = header?.trim() ?? '';
  if (value === '') return null;
  // Beyond the RFC some servers send fractions of a second.
  const isSeconds = /^\d+(\.\d+)?$/.test(value);
  // Date.parse also makes dates of bare numbers such as "-3"; an HTTP date begins with the day's name.
  const ms = isSeconds
    ? Number(value) * 1_000
    : /^[a-z]{3}/i.test(value)
      ? Date.parse(value) - nowMs
      : Number.NaN;
  return Number.isNaN(ms) ? null : Math.round(Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS));
}

const OVERFLOW =
  /context[_ ](length|window|size)|maximum context|tokens to keep|exceeds? the (available )?context|n_ctx|prompt is too long|too many tokens|context overflow/i;

/** Ollama says it of a model, vLLM and llama.cpp of how they were started. */
const NO_TOOLS =
  /does not support (tools|tool calls|function calling)|enable-auto-tool-choice|requires? --jinja/i;

/**
 * The kind of a reply that is an error, from its status and the body's `error`, which is text with some servers and an object
 * with others. null for a reply that is no error.
 */
export function errorKindOf(status: number, errorText: string): LlmErrorKind | null {
  if (status >= 200 && status < 300 && errorText === '') return null;
  if (status === 401 || status === 402 || status === 403) return 'unauthorized';
  if (status === 408) return 'timeout';
  if (status === 429) return 'rate-limited';
  if (status === 413 || OVERFLOW.test(errorText)) return 'context-overflow';
  if (NO_TOOLS.test(errorText)) return 'tool-less';
  if (status === 404) return 'not-found';
  if (status >= 500) return 'server-error';
  return status >= 400 ? 'bad-request' : 'bad-answer';
}

/** What an error body says, for classifying only: `error` as text, `error.message` and `error.code`, or a bare `message`. */
export function errorTextOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return '';
  const { error, message } = body as { error?: unknown; message?: unknown };
  if (error === undefined || error === null) return typeof message === 'string' ? message : '';
  if (typeof error !== 'object') return `error ${typeof error === 'string' ? error : ''}`;
  const parts = error as { message?: unknown; code?: unknown; type?: unknown };
  return ['error', parts.message, parts.code, parts.type]
    .filter((part) => typeof part === 'string')
    .join(' ');
}
