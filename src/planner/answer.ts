import { isRecord } from '../missions/fields.ts';
import type { LlmAnswer, ToolCall, Usage } from './chat.ts';
import { llmError, type LlmError } from './llm-error.ts';
import { cutText, stripThoughts } from './text.ts';

const MAX_CONTENT = 32_000;
const MAX_CALLS = 200;

/**
 * Reads a chat completion as servers really send it. Thoughts (`reasoning`, `reasoning_content`, `<think>`) are dropped.
 * `mayBeEmpty`: the model has just been told what became of its calls, and saying nothing more is a way to end.
 */
export function readAnswer(
  body: unknown,
  { mayBeEmpty }: { mayBeEmpty: boolean },
): { ok: true; answer: LlmAnswer } | { ok: false; error: LlmError } {
  const choices = isRecord(body) ? body['choices'] : undefined;
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  if (!isRecord(body) || !isRecord(choice) || !isRecord(choice['message']))
    return { ok: false, error: llmError('bad-answer') };
  const { message } = choice;
  const finishReason = typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : null;
  const content = stripThoughts(cutText(contentOf(message['content']), MAX_CONTENT));
  const sent = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
  const toolCalls = sent
    .slice(0, MAX_CALLS)
    .map(readCall)
    .filter((call) => call !== null);
  // mlx-lm drops calls that it cannot read and still reports them as the reason: that is no end of the plan.
  if (toolCalls.length === 0 && (finishReason === 'tool_calls' || sent.length > 0)) {
    return { ok: false, error: llmError('bad-answer') };
  }
  const isEmpty = content === '' && toolCalls.length === 0;
  if (isEmpty && !(mayBeEmpty && finishReason === 'stop')) return { ok: false, error: llmError('empty-answer') };
  return { ok: true, answer: { content, toolCalls, usage: readUsage(body['usage']), finishReason } };
}

/** Text, or the text parts of a list of parts. */
function contentOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const parts = content.filter(isRecord).filter(({ type }) => type === 'text' || type === undefined);
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

function readUsage(usage: unknown): Usage {
  const counts = isRecord(usage) ? usage : {};
  return { promptTokens: countOf(counts['prompt_tokens']), completionTokens: countOf(counts['completion_tokens']) };
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
