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

/**
 * What a prompt may keep, from the longest to the shortest form: most tools, and longest text in UTF-16 code units of each kind of block.
 * What others wrote long ago goes first, then what was read, then what the mission links to, then tools. The mission and what the person
 * said last are the last to go.
 */
type Level = { tools: number; past: number; read: number; input: number; wish: number };

const LEVELS: readonly Level[] = [
  { tools: 256, past: 8_000, read: 8_000, input: 16_000, wish: 32_000 },
  { tools: 256, past: 4_000, read: 6_000, input: 12_000, wish: 32_000 },
  { tools: 128, past: 2_000, read: 6_000, input: 8_000, wish: 16_000 },
  { tools: 64, past: 1_500, read: 4_000, input: 6_000, wish: 12_000 },
  { tools: 64, past: 1_200, read: 4_000, input: 4_000, wish: 8_000 },
  { tools: 16, past: 600, read: 2_000, input: 2_500, wish: 8_000 },
  { tools: 12, past: 400, read: 1_500, input: 1_500, wish: 6_000 },
  { tools: 8, past: 300, read: 1_000, input: 1_000, wish: 6_000 },
  { tools: 8, past: 200, read: 600, input: 600, wish: 4_000 },
  { tools: 6, past: 120, read: 400, input: 400, wish: 2_400 },
  { tools: 4, past: 80, read: 250, input: 250, wish: 1_000 },
];

const CUT = '\n[cut here to fit the context of the model]';

/** The kind of each block by its label; what is not named here is an input. */
const KIND_OF_LABEL: Readonly<Record<string, keyof Omit<Level, 'tools'>>> = {
  MISSION: 'wish',
  CONCEPT: 'wish',
  FEEDBACK: 'wish',
  PERSONA: 'past',
  MEMORY: 'past',
  HISTORY: 'past',
};

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

function shrinkTo(
  prompt: { messages: readonly ChatMessage[]; tools: readonly Tool[] },
  level: Level,
): ShrunkPrompt {
  const messages = prompt.messages.map((message) => shrinkMessage(message, level));
  const tools = fewestTools(prompt.tools, level.tools);
  return { messages, tools, counted: countPrompt(messages, tools) };
}

/** The first tools, in their order, so that what stands at the head of every prompt stays there. */
function fewestTools(tools: readonly Tool[], most: number): readonly Tool[] {
  if (tools.length <= most) return tools;
  const kept = new Set(tools.filter(({ name }) => name !== FIND_TOOLS).slice(0, most - 1));
  const withFinder = tools.filter((tool) => kept.has(tool) || tool.name === FIND_TOOLS);
  return withFinder.length === most ? withFinder : tools.slice(0, most);
}

function shrinkMessage(message: ChatMessage, level: Level): ChatMessage {
  if (message.role === 'assistant') return message;
  if (message.role === 'tool') return { ...message, content: cutText(message.content, level.read) };
  return { ...message, content: message.content.replace(BLOCK, shorterBlock(level)) };
}

/** A block of data between its delimiter lines, as the prompt builder writes it. */
const BLOCK = /^BEGIN ([^\n]+) (\S+)\n([^]*?)\nEND \1 \2$/gm;

function shorterBlock(level: Level) {
  return (_all: string, label: string, delimiter: string, text: string): string => {
    const kind = Object.hasOwn(KIND_OF_LABEL, label) ? KIND_OF_LABEL[label] : undefined;
    const room = level[kind ?? (label.startsWith('EARLIER') ? 'past' : 'input')];
    return `BEGIN ${label} ${delimiter}\n${cutText(text, room, CUT)}\nEND ${label} ${delimiter}`;
  };
}
