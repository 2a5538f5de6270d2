import { isRecord } from '../values/fields.ts';
import { parseObject } from '../planner/arguments.ts';
import type { Extras, LlmAnswer, ToolCall, Usage } from '../planner/chat.ts';
import { llmError, type LlmError, type LlmErrorKind } from './llm-error.ts';
import { readTextCalls } from './text-calls.ts';
import {
  foreignMarkup,
  NOTHING_QUOTABLE,
  type Quotable,
  stripThoughts,
  withoutTurnTokens,
} from '../planner/markup.ts';
import { cutText } from '../planner/text.ts';
import { toolMeant } from '../planner/tool-name.ts';
import type { Tool } from '../planner/tools/tool.ts';

const MAX_CONTENT = 32_000;
const MAX_CALLS = 200;
/** Characters of fields that only their own server understands; longer ones do not go back. */
const MAX_EXTRAS = 64_000;

export type AnswerReading =
  /** `textCalls`: calls that were read from the text */
  | { ok: true; answer: LlmAnswer; textCalls: number; thought: boolean }
  /**
   * `thought`: the model spent at least a part of its answer on thoughts. `unread`: it said something that no plan can be read from
   * and that it may say better, once it is told
   */
  | { ok: false; error: LlmError; thought: boolean; unread: boolean };

export type Expectation = {
  /** the model has just been told what became of its calls: to say nothing more is a way to end */
  mayBeEmpty: boolean;
  tools: readonly Tool[];
  /** longest answer that was asked for, in tokens; null where none was */
  maxTokens?: number | null;
  /** what the answer may quote */
  quotable?: Quotable;
  /** base URL and model: who is to have back what only it understands */
  server?: string;
};

/**
 * Reads a chat completion as servers really send it. Thoughts are dropped; calls of `tools` that came as text are read as calls. A text
 * that holds markup after that is no answer.
 */
export function readAnswer(body: unknown, expected: Expectation): AnswerReading {
  const choices = isRecord(body) ? body['choices'] : undefined;
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (!isRecord(choice) || !isRecord(choice['message'])) return unusable(llmError('bad-answer'));
  const { message } = choice;
  const finishReason = typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : null;
  const said = spokenIn(message);
  const calls = callsOf(message, said.text, { ...expected, isCut: finishReason === 'length' });
  const usage = readUsage(body);
  const problem = problemOf({ message, finishReason, usage, expected, calls });
  if (problem !== null)
    return {
      ok: false,
      error: problem.error,
      thought: said.thought,
      unread: problem.unread ?? false,
    };
  const extras = extrasOf(message, calls.made, expected.server);
  const answer = {
    content: calls.isClean ? calls.rest : '',
    toolCalls: calls.made,
    usage,
    finishReason,
    ...(extras === undefined ? {} : { extras }),
  };
  return { ok: true, answer, textCalls: calls.fromText, thought: said.thought };
}

function unusable(error: LlmError): AnswerReading {
  return { ok: false, error, thought: false, unread: false };
}

/** The words of a message without its thoughts, and whether it had any. */
function spokenIn(message: Record<string, unknown>): { text: string; thought: boolean } {
  const raw = cutText(contentOf(message['content']), MAX_CONTENT);
  const text = stripThoughts(raw);
  const apart = ['reasoning', 'reasoning_content', 'thinking', 'reasoning_details'];
  const thought =
    text !== raw.trim() ||
    apart.some((name) => isSaid(message[name])) ||
    hasThoughtParts(message['content']);
  return { text, thought };
}

type Calls = {
  made: ToolCall[];
  rest: string;
  fromText: number;
  /** that were meant and cannot be taken */
  attempted: number;
  /** that the message announces */
  sent: number;
  /** what is left holds no markup */
  isClean: boolean;
};

function callsOf(
  message: Record<string, unknown>,
  text: string,
  expected: Expectation & { isCut: boolean },
): Calls {
  const { tools, quotable = NOTHING_QUOTABLE } = expected;
  const sent = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
  const native = withoutRepeats(
    sent
      .slice(0, MAX_CALLS)
      .map((item) => readCall(item, tools))
      .filter((call) => call !== null)
      // Of an answer that was cut, the calls that are whole count.
      .filter((call) => !expected.isCut || parseObject(call.arguments) !== null),
  );
  const written =
    native.length > 0 || tools.length === 0
      ? { calls: [], rest: text, attempted: 0 }
      : readTextCalls(text, tools, quotable.data);
  const rest = withoutTurnTokens(written.rest);
  return {
    made: [...native, ...written.calls.slice(0, MAX_CALLS)],
    rest,
    fromText: written.calls.length,
    attempted: written.attempted,
    sent: sent.length,
    isClean: foreignMarkup(rest, quotable) === null,
  };
}

/** Tokens as the server counted them; null where it is silent or the body is no chat completion. */
export function readUsage(body: unknown): Usage {
  const usage = isRecord(body) && isRecord(body['usage']) ? body['usage'] : {};
  const timings = isRecord(body) && isRecord(body['timings']) ? body['timings'] : {};
  const details = isRecord(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {};
  const promptTokens = countOf(usage['prompt_tokens']);
  const completion = countOf(usage['completion_tokens']);
  const total = countOf(usage['total_tokens']);
  // Some providers count thoughts in the total alone.
  const rest = total === null || promptTokens === null ? null : total - promptTokens;
  const cachedTokens =
    countOf(details['cached_tokens']) ??
    countOf(usage['prompt_cache_hit_tokens']) ??
    countOf(usage['cached_tokens']) ??
    countOf(timings['cache_n']);
  return {
    promptTokens,
    completionTokens: completion === null ? null : Math.max(completion, rest ?? 0),
    ...(cachedTokens === null ? {} : { cachedTokens }),
  };
}

type Findings = {
  message: Record<string, unknown>;
  finishReason: string | null;
  usage: Usage;
  expected: Expectation;
  calls: Calls;
};

type Problem = { error: LlmError; unread?: boolean };

/** Finish reasons of a model or a filter that does not want to answer; Gemini and Bedrock have names of their own. */
const REFUSALS =
  /^(?:content_?filter(?:ed)?|refusal|safety|recitation|blocklist|prohibited_content|spii|malformed_function_call|image_safety|guardrail_intervened)$/i;

/** Why an answer without calls is no end of a plan; null where it is one. */
function problemOf({ message, finishReason, usage, expected, calls }: Findings): Problem | null {
  if (calls.made.length > 0) return null;
  const { mayBeEmpty, maxTokens = null } = expected;
  if (isRefusal(message, finishReason, calls.rest)) return { error: llmError('refused') };
  // mlx-lm drops calls that it cannot read and still reports them as the reason: that is no end of the plan.
  if (finishReason === 'tool_calls' || calls.sent > 0)
    return finishReason === 'length'
      ? { error: cutShort('answer-truncated', usage, maxTokens) }
      : { error: llmError('bad-answer', { message: LOST_CALLS }) };
  if (calls.rest === '' && calls.attempted === 0)
    return mayBeEmpty && finishReason === 'stop'
      ? null
      : { error: cutShort('empty-answer', usage, finishReason === 'length' ? maxTokens : null) };
  if (finishReason === 'length') {
    if (mayBeEmpty && calls.attempted === 0 && calls.isClean) return null;
    return { error: cutShort('answer-truncated', usage, maxTokens) };
  }
  // Ollama stops a model that repeats itself and gives no reason.
  if (finishReason === null) return { error: llmError('bad-answer', { message: STOPPED }) };
  if (calls.attempted > 0)
    return {
      error: llmError('tool-less', { message: UNREADABLE_CALLS, scope: 'mission' }),
      unread: true,
    };
  return calls.isClean
    ? null
    : { error: llmError('bad-answer', { message: LEFT_OVER }), unread: true };
}

function isRefusal(
  message: Record<string, unknown>,
  finishReason: string | null,
  rest: string,
): boolean {
  return (
    (finishReason !== null && REFUSALS.test(finishReason)) ||
    (rest === '' && isSaid(message['refusal']))
  );
}

/** Tokens by which a server's count may differ from the limit that it was given. */
const NEARLY = 8;

/** An answer that ends before it is as long as it may be was cut for want of context: another setting than the usual one helps. */
function cutShort(
  kind: LlmErrorKind,
  { completionTokens }: Usage,
  maxTokens: number | null,
): LlmError {
  const isShort =
    maxTokens !== null &&
    completionTokens !== null &&
    completionTokens > 0 &&
    completionTokens < maxTokens - NEARLY;
  return isShort ? llmError(kind, { message: CONTEXT_FULL }) : llmError(kind);
}

const LOST_CALLS =
  'The server announced tool calls and sent none that can be read. Use a model that its server knows how to read, or another server.';
const UNREADABLE_CALLS =
  'The language model writes tool calls as text that fits none of the tools. Set MANA_LLM_MODEL to one that is better at tool calls.';
const LEFT_OVER =
  'The language model answers with the markup of its template instead of words. Set MANA_LLM_MODEL to one that its server knows better.';
const STOPPED =
  'The server stopped the model before it had finished, most often because it repeated itself. Use a larger model, or raise its temperature.';
const CONTEXT_FULL =
  "The answer was cut before its longest length: the model's context is full. Raise the context of the server (Ollama: a model with num_ctx) or lower MANA_LLM_MAX_TOOLS.";

function isSaid(value: unknown): boolean {
  if (typeof value === 'string') return value.trim() !== '';
  return Array.isArray(value) ? value.length > 0 : isRecord(value);
}

/** Text, or the text parts of a list of parts. */
function contentOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const parts = content
    .filter(isRecord)
    .filter(({ type }) => type === 'text' || type === 'output_text' || type === undefined);
  return parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}

function hasThoughtParts(content: unknown): boolean {
  return (
    Array.isArray(content) &&
    content.some((part) => isRecord(part) && /think|reason/.test(String(part['type'])))
  );
}

function readCall(item: unknown, tools: readonly Tool[]): ToolCall | null {
  if (!isRecord(item) || !isRecord(item['function'])) return null;
  const { name, arguments: given } = item['function'];
  if (typeof name !== 'string' || name === '') return null;
  const text = isRecord(given) ? JSON.stringify(given) : given;
  const { id, function: _function, type: _type, index: _index, ...others } = item;
  const extras = saidFields(others);
  return {
    id: typeof id === 'string' ? id : '',
    name: toolMeant(name, tools)?.name ?? name,
    arguments: typeof text === 'string' ? text : '',
    ...(Object.keys(extras).length === 0 ? {} : { extras }),
  };
}

/** A model that repeats itself makes the same call until its answer is full. */
function withoutRepeats(calls: readonly ToolCall[]): ToolCall[] {
  const seen = new Set<string>();
  return calls.filter(({ name, arguments: text }) => {
    const key = `${name} ${text}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

/** Fields of a message that the API knows, and those that say nothing to a server that gets them back. */
const KNOWN = new Set([
  'role',
  'content',
  'tool_calls',
  'function_call',
  'refusal',
  'audio',
  'annotations',
]);

/** What goes back with a message that calls; the last message of a plan goes nowhere. */
function extrasOf(
  message: Record<string, unknown>,
  calls: readonly ToolCall[],
  server: string | undefined,
): LlmAnswer['extras'] {
  if (server === undefined || calls.length === 0) return undefined;
  const entries = Object.entries(message).filter(([name]) => !KNOWN.has(name));
  const { content } = message;
  const parts = hasThoughtParts(content) ? { content } : {};
  const fields = { ...saidFields(Object.fromEntries(entries)), ...parts };
  const hasOwn = Object.keys(fields).length > 0 || calls.some(({ extras }) => extras !== undefined);
  return hasOwn && JSON.stringify(fields).length <= MAX_EXTRAS ? { server, fields } : undefined;
}

function saidFields(fields: Record<string, unknown>): Extras {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([name, value]) =>
        name !== '__proto__' && (isSaid(value) || typeof value === 'number' || value === true),
    ),
  );
}

/** A count that no context holds is nonsense; taken for true it would use up an agent's budget for a day. */
const MOST_TOKENS = 10_000_000;

function countOf(value: unknown): number | null {
  return typeof value === 'number' &&
    Number.isSafeInteger(value) &&
    value >= 0 &&
    value <= MOST_TOKENS
    ? value
    : null;
}
