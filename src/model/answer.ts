import { isRecord } from '../values/fields.ts';
import type { LlmAnswer, ToolCall, Usage } from '../planner/chat.ts';
import { llmError, type LlmError } from './llm-error.ts';
import { readTextCalls } from './text-calls.ts';
import { cutText, stripThoughts } from '../planner/text.ts';
import type { Tool } from '../planner/tools/tool.ts';

const MAX_CONTENT = 32_000;
const MAX_CALLS = 200;

export type AnswerReading =
  /** `textCalls`: calls that were read from the text */
  | { ok: true; answer: LlmAnswer; textCalls: number }
  /** `thought`: the model spent at least a part of its answer on thoughts */
  | { ok: false; error: LlmError; thought: boolean };

/**
 * Reads a chat completion as servers really send it. Thoughts (`reasoning`, `reasoning_content`, `<think>`) are dropped; calls of
 * `tools` that came as text are read as calls. `mayBeEmpty`: the model has just been told what became of its calls, and saying
 * nothing more is a way to end.
 */
export function readAnswer(
  body: unknown,
  { mayBeEmpty, tools }: { mayBeEmpty: boolean; tools: readonly Tool[] },
): AnswerReading {
  const choices = isRecord(body) ? body['choices'] : undefined;
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (!isRecord(choice) || !isRecord(choice['message']))
    return refused(llmError('bad-answer'), false);
  const { message } = choice;
  const finishReason = typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : null;
  const raw = cutText(contentOf(message['content']), MAX_CONTENT);
  const said = stripThoughts(raw);
  const thought =
    said !== raw.trim() ||
    textOf(message['reasoning']) !== '' ||
    textOf(message['reasoning_content']) !== '';
  const sent = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
  const native = sent
    .slice(0, MAX_CALLS)
    .map(readCall)
    .filter((call) => call !== null);
  const written =
    native.length > 0 || tools.length === 0
      ? { calls: [], rest: said, attempted: 0 }
      : readTextCalls(said, tools);
  const toolCalls = [...native, ...written.calls.slice(0, MAX_CALLS)];
  const problem = problemOf({
    calls: toolCalls.length,
    promised: finishReason === 'tool_calls' || sent.length > 0,
    attempted: written.attempted,
    content: written.rest,
    finishReason,
    mayBeEmpty,
  });
  if (problem !== null) return refused(problem, thought);
  const answer = { content: written.rest, toolCalls, usage: readUsage(body), finishReason };
  return { ok: true, answer, textCalls: written.calls.length };
}

/** Tokens as the server counted them; null where it is silent or the body is no chat completion. */
export function readUsage(body: unknown): Usage {
  const usage = isRecord(body) ? body['usage'] : undefined;
  const counts = isRecord(usage) ? usage : {};
  return {
    promptTokens: countOf(counts['prompt_tokens']),
    completionTokens: countOf(counts['completion_tokens']),
  };
}

type Findings = {
  calls: number;
  promised: boolean;
  attempted: number;
  content: string;
  finishReason: string | null;
  mayBeEmpty: boolean;
};

/** Why an answer without calls is no end of a plan; null where it is one. */
function problemOf({
  calls,
  promised,
  attempted,
  content,
  finishReason,
  mayBeEmpty,
}: Findings): LlmError | null {
  if (calls > 0) return null;
  // mlx-lm drops calls that it cannot read and still reports them as the reason: that is no end of the plan.
  if (promised) return llmError('bad-answer', null, LOST_CALLS);
  if (content === '' && attempted === 0)
    return mayBeEmpty && finishReason === 'stop' ? null : llmError('empty-answer');
  if (mayBeEmpty) return null;
  if (finishReason === 'length') return llmError('answer-truncated');
  return attempted > 0 ? llmError('tool-less', null, UNREADABLE_CALLS) : null;
}

const LOST_CALLS =
  'The server announced tool calls and sent none that can be read. Use a model that its server knows how to read, or another server.';
const UNREADABLE_CALLS =
  'The language model writes tool calls as text that fits none of the tools. Set MANA_LLM_MODEL to one that is better at tool calls.';

function refused(error: LlmError, thought: boolean): AnswerReading {
  return { ok: false, error, thought };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

/** Text, or the text parts of a list of parts. */
function contentOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const parts = content
    .filter(isRecord)
    .filter(({ type }) => type === 'text' || type === undefined);
  return parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}

function readCall(item: unknown): ToolCall | null {
  if (!isRecord(item) || !isRecord(item['function'])) return null;
  const { name, arguments: given } = item['function'];
  if (typeof name !== 'string' || name === '') return null;
  const text = isRecord(given) ? JSON.stringify(given) : given;
  return {
    id: typeof item['id'] === 'string' ? item['id'] : '',
    name,
    arguments: typeof text === 'string' ? text : '',
  };
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
