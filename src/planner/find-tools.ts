import { parseReadingKey } from './reading-key.ts';
import { matchingTools, type ToolChoice } from './tool-choice.ts';
import { readingTool, text, type Tool } from './tools/tool.ts';

/** The name of the one tool that is ours and not the app's. */
export const FIND_TOOLS = 'find_tools';

/** Tools that one search finds. */
const MOST_FOUND = 6;

/** Offered where the run has more tools than one request may carry. A call is answered at once and is no step of the plan. */
export const findToolsTool: Tool = {
  ...readingTool({
    name: FIND_TOOLS,
    description:
      'Look for tools that you were not given, by words of what you want to do (such as "habit", "invoice"). What is found can be called in your next turn.',
    parameters: { query: text('A few words, in English or German.') },
  }),
  module: 'planner',
  words: [],
};

/** What a search answers to the model. */
export type FoundTools = {
  /** names, in the order of their fit; all of them are allowed to the run */
  names: string[];
  reply:
    | { status: 'found'; tools: { name: string; description: string }[]; note: string }
    | { status: 'none'; note: string };
};

/**
 * Looks among all tools that the run may use, offered or not, so never among denied ones. Pure, and the same again for the
 * same choice: what a plan has found need not be stored, `foundTools` tells it from the searches that the plan has made.
 */
export function findTools(query: string, choice: ToolChoice): FoundTools {
  const found = matchingTools(query, [...choice.chosen, ...choice.rest]).slice(
    0,
    Math.min(MOST_FOUND, choice.maxTools - 1),
  );
  if (found.length === 0) {
    const modules = [...new Set([...choice.chosen, ...choice.rest].map(({ module }) => module))];
    return {
      names: [],
      reply: {
        status: 'none',
        note: `Nothing fits these words. There are tools for: ${modules.join(', ')}.`,
      },
    };
  }
  const tools = found.map(({ name, description }) => ({ name, description }));
  return {
    names: found.map(({ name }) => name),
    reply: { status: 'found', tools, note: 'You can call these from your next turn on.' },
  };
}

/** The tools that a plan has looked for so far, from the keys of its answered reading calls, oldest first. */
export function foundTools(readings: readonly string[], choice: ToolChoice): string[] {
  return readings
    .map(parseReadingKey)
    .filter(({ toolName }) => toolName === FIND_TOOLS)
    .flatMap(({ params }) => findTools(queryOf(params), choice).names);
}

/** The words of a search, from its params; '' where there are none. */
export function queryOf({ query }: Record<string, unknown>): string {
  return typeof query === 'string' ? query : '';
}
