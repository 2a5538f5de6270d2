import type { ChatMessage } from './chat.ts';
import { jsonSchemaOf, type Tool } from './tools/tool.ts';

/** What a chat template puts around a message, a call and a tool. */
const TOKENS_PER_MESSAGE = 6;
const TOKENS_PER_TOOL = 12;

const PIECES =
  /\p{Script=Latin}+|\p{Nd}+|[^\S\n]+|\n+|[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+|\p{L}[\p{L}\p{M}]*|[^\p{L}\p{Nd}\s]+/gu;

/**
 * About how many tokens a text has. No model's own tokenizer is at hand: this follows what current ones (o200k, cl100k) make of
 * English, German and JSON, within a fifth or so; for other languages they differ from each other by a factor of two.
 */
export function estimateTokens(text: string): number {
  let tokens = 0;
  for (const [piece] of text.matchAll(PIECES)) tokens += tokensOfPiece(piece);
  return Math.ceil(tokens);
}

function tokensOfPiece(piece: string): number {
  const { length } = piece;
  if (/^\p{Script=Latin}/u.test(piece)) return length <= 7 ? 1 : length / 5;
  if (/^\p{Nd}/u.test(piece)) return length / 2;
  // One blank belongs to the word behind it.
  if (/^\s/.test(piece)) return piece === ' ' ? 0 : 1;
  if (/^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u.test(piece))
    return length * 0.8;
  // The vowel signs of Indic scripts are marks: they belong to their letters.
  if (/^\p{L}/u.test(piece)) return Math.max(1, length / 3);
  // A rule of dashes is next to nothing.
  return Math.max(1, /^(.)\1+$/u.test(piece) ? length / 80 : length / 4);
}

/** Tokens of messages and tools as a request carries them; the tools are apart because some servers do not count them. */
export type PromptCount = { messages: number; tools: number; total: number };

/** Counts a prompt before it is sent; an estimate, see `estimateTokens`. */
export function countPrompt(messages: readonly ChatMessage[], tools: readonly Tool[]): PromptCount {
  const counted = {
    messages: sum(messages.map((message) => countedOnce(message, messageTokens))),
    tools: sum(tools.map((tool) => countedOnce(tool, toolTokens))),
  };
  return { ...counted, total: counted.messages + counted.tools };
}

/** About how many tokens a request's messages and tools are. */
export function estimatePromptTokens(
  messages: readonly ChatMessage[],
  tools: readonly Tool[],
): number {
  return countPrompt(messages, tools).total;
}

/** A prompt is counted several times, and grows by a message or two between them. */
const counts = new WeakMap<ChatMessage | Tool, number>();

function countedOnce<Part extends ChatMessage | Tool>(
  part: Part,
  count: (part: Part) => number,
): number {
  const known = counts.get(part);
  if (known !== undefined) return known;
  const tokens = count(part);
  counts.set(part, tokens);
  return tokens;
}

function messageTokens(message: ChatMessage): number {
  const calls = message.role === 'assistant' ? message.toolCalls : [];
  const called = calls.map(
    ({ name, arguments: text }) => TOKENS_PER_MESSAGE + estimateTokens(`${name}${text}`),
  );
  return TOKENS_PER_MESSAGE + estimateTokens(message.content) + sum(called);
}

function toolTokens(tool: Tool): number {
  const { name, description } = tool;
  return (
    TOKENS_PER_TOOL + estimateTokens(`${name}${description}${JSON.stringify(jsonSchemaOf(tool))}`)
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}
