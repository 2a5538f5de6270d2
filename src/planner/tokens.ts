import type { ChatMessage } from './chat.ts';
import { jsonSchemaOf, type Tool } from './tools/tool.ts';

/** What a chat template puts around a message, a call and a tool. */
const TOKENS_PER_MESSAGE = 6;
const TOKENS_PER_TOOL = 12;

/** Characters of one token: English and JSON come to about four with current tokenizers, other scripts to less. */
const ASCII_PER_TOKEN = 3.6;
const OTHERS_PER_TOKEN = 1.4;

/** About how many tokens a text is. Rather too many than too few: budgets are kept by it where a provider is silent. */
export function estimateTokens(text: string): number {
  let others = 0;
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0x7f) others += 1;
  return Math.ceil((text.length - others) / ASCII_PER_TOKEN + others / OTHERS_PER_TOKEN);
}

/** About how many tokens a request's messages and tools are. */
export function estimatePromptTokens(messages: readonly ChatMessage[], tools: readonly Tool[]): number {
  return sum(messages.map(messageTokens)) + sum(tools.map(toolTokens));
}

function messageTokens(message: ChatMessage): number {
  const calls = message.role === 'assistant' ? message.toolCalls : [];
  const called = calls.map(({ name, arguments: text }) => TOKENS_PER_MESSAGE + estimateTokens(`${name}${text}`));
  return TOKENS_PER_MESSAGE + estimateTokens(message.content) + sum(called);
}

const known = new WeakMap<Tool, number>();

function toolTokens(tool: Tool): number {
  const counted = known.get(tool);
  if (counted !== undefined) return counted;
  const { name, description } = tool;
  const tokens = TOKENS_PER_TOOL + estimateTokens(`${name}${description}${JSON.stringify(jsonSchemaOf(tool))}`);
  known.set(tool, tokens);
  return tokens;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}
