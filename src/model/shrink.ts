import type { ChatMessage } from '../planner/chat.ts';
import { FIND_TOOLS } from '../planner/find-tools.ts';
import { cutText } from '../planner/text.ts';
import { countPrompt, type PromptCount } from '../planner/tokens.ts';
import type { Tool } from '../planner/tools/tool.ts';

export type ShrunkPrompt = {
  messages: readonly ChatMessage[];
  tools: readonly Tool[];
  counted: PromptCount;
};

/** Most tools, and longest block of data in UTF-16 code units; the mission's own words may be four times as long. */
const LEVELS = [
  { tools: 8, block: 1_500 },
  { tools: 6, block: 600 },
  { tools: 4, block: 250 },
] as const;

const CUT = '\n[cut here to fit the context of the model]';

/**
 * A prompt that fits `limit` tokens as far as that goes: fewer tools (the first ones, and `find_tools`), shorter blocks of data and
 * replies. Rules, the order of messages and the lines around the blocks stay. Pure: the same prompt shrinks the same way again.
 */
export function shrinkPrompt(
  prompt: { messages: readonly ChatMessage[]; tools: readonly Tool[] },
  limit: number,
): ShrunkPrompt {
  for (const level of LEVELS) {
    const shrunk = shrinkTo(prompt, level);
    if (shrunk.counted.total <= limit || level === LEVELS.at(-1)) return shrunk;
  }
  return { ...prompt, counted: countPrompt(prompt.messages, prompt.tools) };
}

type Level = (typeof LEVELS)[number];

function shrinkTo(
  prompt: { messages: readonly ChatMessage[]; tools: readonly Tool[] },
  level: Level,
): ShrunkPrompt {
  const messages = prompt.messages.map((message) => shrinkMessage(message, level.block));
  const tools = fewestTools(prompt.tools, level.tools);
  return { messages, tools, counted: countPrompt(messages, tools) };
}

function fewestTools(tools: readonly Tool[], most: number): readonly Tool[] {
  const finder = tools.filter(({ name }) => name === FIND_TOOLS);
  const others = tools.filter(({ name }) => name !== FIND_TOOLS);
  return [...others.slice(0, most - finder.length), ...finder];
}

function shrinkMessage(message: ChatMessage, block: number): ChatMessage {
  if (message.role === 'assistant') return message;
  if (message.role === 'tool') return { ...message, content: cutText(message.content, block) };
  return { ...message, content: message.content.replace(BLOCK, shorterBlock(block)) };
}

/** A block of data between its delimiter lines, as the prompt builder writes it. */
const BLOCK = /^BEGIN ([^\n]+) (\S+)\n([^]*?)\nEND \1 \2$/gm;

function shorterBlock(most: number) {
  return (_all: string, label: string, delimiter: string, text: string): string => {
    const room = label === 'MISSION' ? most * 4 : most;
    return `BEGIN ${label} ${delimiter}\n${cutText(text, room, CUT)}\nEND ${label} ${delimiter}`;
  };
}
