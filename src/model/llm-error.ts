import type { Refusal } from './refusal.ts';

export type LlmErrorKind =
  | 'unreachable'
  | 'timeout'
  | 'cancelled'
  | 'rate-limited'
  | 'server-error'
  | 'unauthorized'
  | 'not-found'
  /** the model, or its server, has another API than chat completions */
  | 'unsupported'
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
  | 'bad-answer'
  /** the server could not read what its model said */
  | 'garbled'
  /** the model, or a filter before it, does not want to answer this prompt */
  | 'refused';

/**
 * Whom an error concerns. 'everybody': the server is away, and it says nothing about the mission that met it. 'configuration': no
 * mission can be planned before somebody changes a setting. 'mission': what the model said this time. 'refusal': what it will say
 * to this prompt every time. 'prompt': the length of this prompt. 'caller': nobody wanted the answer any more.
 */
export type ErrorScope =
  'everybody' | 'configuration' | 'mission' | 'refusal' | 'prompt' | 'caller';

/**
 * Why there is no answer. `message` is a sentence that says what to do; it never holds the key, text of the prompt or of the
 * server. `outage`: the fault is the server's state and no mission's (no connection, no answer in time, 429, 5xx).
 */
export type LlmError = {
  kind: LlmErrorKind;
  /** the kind for machines, `LLM_…` */
  code: string;
  scope: ErrorScope;
  outage: boolean;
  /** what the server asked for, at most 60 min; null where it asked for nothing */
  retryAfterMs: number | null;
  message: string;
};

const KINDS: Record<LlmErrorKind, { scope: ErrorScope; advice: string }> = {
  unreachable: {
    scope: 'everybody',
    advice:
      'The language model cannot be reached. Check that its server runs and that MANA_LLM_URL points to it.',
  },
  timeout: {
    scope: 'everybody',
    advice:
      'The language model did not answer in time. Check its load; a smaller model or a higher MANA_LLM_TIMEOUT_MS helps.',
  },
  cancelled: { scope: 'caller', advice: 'The call was cancelled.' },
  'rate-limited': {
    scope: 'everybody',
    advice:
      'The language model takes no more requests for now. Lower MANA_LLM_MAX_CONCURRENCY or raise the limit there.',
  },
  'server-error': {
    scope: 'everybody',
    advice: 'The language model reports an error of its own. Check the log of its server.',
  },
  unauthorized: {
    scope: 'configuration',
    advice:
      'The language model refuses the access. Check MANA_LLM_API_KEY and the account behind it.',
  },
  'not-found': {
    scope: 'configuration',
    advice:
      'The language model was not found. Check the path of MANA_LLM_URL and the name in MANA_LLM_MODEL.',
  },
  unsupported: {
    scope: 'configuration',
    advice:
      'This language model answers through the Responses API alone. Set MANA_LLM_MODEL to a model that its provider offers for chat completions.',
  },
  'bad-request': {
    scope: 'mission',
    advice:
      'The language model refuses the request. Check that MANA_LLM_MODEL can chat and call tools.',
  },
  'context-overflow': {
    scope: 'prompt',
    advice:
      "The prompt is longer than the model's context. Raise the context of the server or lower MANA_LLM_MAX_TOOLS.",
  },
  'context-truncated': {
    scope: 'prompt',
    advice:
      'The server cut the beginning of the prompt to fit its context. Raise the context there (Ollama: a model with num_ctx) or lower MANA_LLM_MAX_TOOLS.',
  },
  'empty-answer': {
    scope: 'mission',
    advice:
      'The language model answered with nothing. Raise MANA_LLM_MAX_TOKENS or use a model that thinks less.',
  },
  'answer-truncated': {
    scope: 'mission',
    advice:
      'The answer was cut at its longest length before it called a tool. Raise MANA_LLM_MAX_TOKENS or use a model that says less.',
  },
  'tool-less': {
    scope: 'configuration',
    advice:
      'The language model cannot call tools here. Set MANA_LLM_MODEL to one that can, or turn tool calls on in its server.',
  },
  'bad-answer': {
    scope: 'mission',
    advice:
      'The answer is not one of an OpenAI-compatible server. Check MANA_LLM_URL, and whether the model can call tools.',
  },
  garbled: {
    scope: 'mission',
    advice:
      'The server could not read what its model said. Another attempt often helps; else use a model that its server knows better.',
  },
  refused: {
    scope: 'refusal',
    advice:
      'The language model, or the filter before it, refuses to answer this mission. Change its words, or set MANA_LLM_MODEL to another model.',
  },
};

type Details = { retryAfterMs?: number | null; message?: string; scope?: ErrorScope };

/** The error of a kind; `message` replaces the usual advice, `scope` the usual one of the kind. */
export function llmError(
  kind: LlmErrorKind,
  { retryAfterMs = null, message = KINDS[kind].advice, scope = KINDS[kind].scope }: Details = {},
): LlmError {
  const code = `LLM_${kind.toUpperCase().replaceAll('-', '_')}`;
  return { kind, code, scope, outage: scope === 'everybody', retryAfterMs, message };
}

const UNREADABLE: ReadonlySet<LlmErrorKind> = new Set([
  'bad-answer',
  'empty-answer',
  'answer-truncated',
  'tool-less',
  'garbled',
]);

/** Whether there was an answer that no plan can be read from, as opposed to none at all. */
export function isUnreadable({ kind }: LlmError): boolean {
  return UNREADABLE.has(kind);
}

/** The usual message of an error's code; null for a code that is none of ours. */
export function adviceOf(code: string): string | null {
  const kind = code.replace(/^LLM_/, '').toLowerCase().replaceAll('_', '-');
  return code.startsWith('LLM_') && Object.hasOwn(KINDS, kind)
    ? KINDS[kind as LlmErrorKind].advice
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

/** A wording of an error, in any shape and under any status from `from` on; the first that fits decides. */
type Wording = { kind: LlmErrorKind; from?: number; says: RegExp; message?: string };

const NAME_A_MODEL =
  'The server knows no model of this name. Set MANA_LLM_MODEL to a name from its list of models.';

const WORDINGS: readonly Wording[] = [
  // What the model said this once. llama.cpp and Ollama answer it with 500, Groq with 400.
  {
    kind: 'garbled',
    says: /peg-native|error parsing tool call|failed to parse (?:input|tool|function|generated|the (?:model|output))|(?:could not|cannot|unable to) parse (?:the )?(?:tool|function|model|generated)|invalid (?:tool|function) call|tool_use_failed|failed_generation|malformed[_ ]?function[_ ]?call/i,
  },
  {
    kind: 'context-overflow',
    says: /exceed_context_size|context_length_exceeded|ContextWindowExceeded|string_above_max_length|context[_ ](?:length|window|size)|maximum context|tokens to keep|n_ctx|(?:prompt|input|request|message|conversation)s? (?:is|are|was|were) too (?:long|large)|too many (?:input |prompt )?tokens|context overflow|token count|(?:exceeds?|over|beyond|longer than|larger than) (?:the |this |your )?(?:model'?s? )?(?:available |allowed )?(?:max(?:imum)? )?(?:number of |allowed )?(?:input |prompt |sequence |context |token)|reduce the (?:length|size|number of tokens)|input length|maximum (?:input|prompt|sequence|token|number of tokens)|token limit/i,
  },
  {
    kind: 'unsupported',
    says: /(?:only|not) (?:supported|available|accessible)[^.]{0,40}(?:\/responses|responses api)|use (?:the )?(?:\/?v1\/)?responses|responses[^.]{0,12}(?:endpoint|api)[^.]{0,20}(?:only|instead)|not a chat model|not supported in the v1\/chat\/completions/i,
  },
  {
    kind: 'tool-less',
    says: /(?:does|do) not (?:currently )?support (?:the )?(?:use of )?(?:tools?|tool[ _-](?:use|calls?|calling)|functions?|function[ _-]?call(?:s|ing)?)\b|support(?:s)? tool (?:use|calling)|\btools? (?:is|are) not (?:supported|enabled|allowed|available)|(?<!parallel[_ ])tool[ _-](?:use|calls?|calling) (?:is|are) not (?:supported|enabled|available)|function[ _-]?call(?:s|ing)? (?:is|are) not (?:supported|enabled)|enable-auto-tool-choice|requires? --jinja|unsupported (?:parameter|value)s?:? ?['"`]?tools\b/i,
  },
  {
    kind: 'unauthorized',
    says: /no_db_connection|api[ _-]?key[^.]{0,24}(?:not valid|invalid|expired|incorrect|missing|required|disabled|revoked)|(?:invalid|incorrect|wrong|missing|no|expired)[^.]{0,12}api[ _-]?key|invalid_api_key|authentication[_ ]error|unauthenticated|invalid (?:access |bearer |authentication )token|invalid x-api-key|did not provide an api key/i,
  },
  {
    kind: 'not-found',
    says: /model is required|(?:must|need to) (?:provide|specify) a model|no model (?:specified|provided|loaded)|invalid model|model[^.]{0,80}(?:not found|does not exist|is not (?:available|loaded|supported|known))|unknown model|no such model|model_not_found/i,
    message: NAME_A_MODEL,
  },
  {
    kind: 'refused',
    says: /content[_ ]?(?:filter|policy|management)|responsible ?ai|safety (?:system|filter|policy)|moderation|prohibited[_ ]content|flagged/i,
  },
];

/**
 * The kind of a reply that is an error. The status alone decides nothing: 500 may be what one model said once, 400 a key that is
 * wrong, 200 an outage.
 */
export function kindOfRefusal(refusal: Refusal): Pick<Wording, 'kind' | 'message'> {
  const { status, text } = refusal;
  if (status === 401 || status === 402 || status === 407) return { kind: 'unauthorized' };
  if (status === 408) return { kind: 'timeout' };
  // A limit by the minute speaks of tokens too.
  if (status === 429) return { kind: 'rate-limited' };
  const worded = WORDINGS.find(({ says }) => says.test(text));
  if (worded !== undefined && !(worded.kind === 'not-found' && status === 404))
    return worded.message === undefined
      ? { kind: worded.kind }
      : { kind: worded.kind, message: worded.message };
  if (status === 403) return { kind: 'unauthorized' };
  if (status === 413) return { kind: 'context-overflow' };
  if (status === 404) return { kind: 'not-found' };
  if (status >= 500) return { kind: 'server-error' };
  return { kind: status >= 400 ? 'bad-request' : 'bad-answer' };
}
