import type { PolicyDecision } from '../missions/agent.ts';
import type { IterationView } from '../missions/iteration.ts';
import { jsonSchemaOf, type Tool } from './tools/tool.ts';

/** A tool as the chat completions API takes it. */
export type LlmTool = {
  type: 'function';
  function: { name: string; description: string; parameters: Record<string, unknown> };
};

/** Words of tool names that say nothing about what a mission is about. */
const VERBS = new Set([
  'create',
  'update',
  'add',
  'set',
  'log',
  'get',
  'list',
  'save',
  'mark',
  'start',
  'stop',
  'delete',
  'apply',
  'complete',
  'archive',
  'pause',
  'resume',
  'rate',
  'confirm',
  'generate',
  'from',
  'with',
  'the',
  'and',
  'entry',
  'status',
  'append',
  'title',
  'last',
  'pin',
  'undo',
  'content',
  'capture',
  'resolve',
  'as',
  'to',
  'by',
  'tag',
]);

/** Modules of inputs whose tools belong to another name. */
const MODULE_OF_INPUT: Readonly<Record<string, string>> = { tasks: 'todo' };

/** Words of a mission that are looked at; a longer text does not make a better choice. */
const MAX_WORDS = 2_000;
const MAX_TEXT = 20_000;

/** The tools that a run may use, best first: those it offers from the start and those that a search can find. None is denied. */
export type ToolChoice = { chosen: readonly Tool[]; rest: readonly Tool[]; maxTools: number };

/**
 * Which tools one run offers: never a denied one. First those of the modules that the inputs name, then those whose words the
 * mission's text uses, most of them first, then those of which the person has approved most steps, then the others; each group in
 * the order of `tools`. One place of `maxTools` is left to `find_tools` where not all fit.
 */
export function chooseTools(question: {
  tools: readonly Tool[];
  decide: (tool: Tool) => PolicyDecision;
  inputModules: readonly string[];
  missionText: string;
  /** steps of each tool that were approved before, by its name */
  approvals: ReadonlyMap<string, number>;
  maxTools: number;
}): ToolChoice {
  const modules = new Set(question.inputModules.map(toolModule));
  const words = wordsOf(question.missionText);
  const ranked = question.tools
    .filter((tool) => question.decide(tool) !== 'deny')
    .map((tool, order) => ({
      tool,
      order,
      rank: modules.has(tool.module) ? Infinity : matches(tool, words),
      approved: question.approvals.get(tool.name) ?? 0,
    }));
  ranked.sort((a, b) =>
    a.rank === b.rank ? b.approved - a.approved || a.order - b.order : b.rank - a.rank,
  );
  const tools = ranked.map(({ tool }) => tool);
  const maxTools = Math.max(1, question.maxTools);
  const most = tools.length <= maxTools || maxTools === 1 ? maxTools : maxTools - 1;
  return { chosen: tools.slice(0, most), rest: tools.slice(most), maxTools };
}

/**
 * The tools of the next request, at most `maxTools`: what a search has found, newest first, then the chosen ones; `finder` (the
 * tool that searches) where something is left to find. Names that the choice does not know are passed over: a tool may have been
 * denied since it was found.
 */
export function toolsOfRound(
  choice: ToolChoice,
  foundTools: readonly string[],
  finder: Tool,
): readonly Tool[] {
  if (choice.rest.length === 0) return choice.chosen;
  const found = choice.rest.filter(({ name }) => foundTools.includes(name));
  found.sort((a, b) => foundTools.lastIndexOf(b.name) - foundTools.lastIndexOf(a.name));
  const room = choice.maxTools === 1 ? 1 : choice.maxTools - 1;
  const tools = [...found.slice(0, room), ...choice.chosen].slice(0, room);
  return choice.maxTools === 1 ? tools : [...tools, finder];
}

/** Those of `tools` whose words a text uses, best first. */
export function matchingTools(text: string, tools: readonly Tool[]): readonly Tool[] {
  const words = wordsOf(text);
  const ranked = tools
    .map((tool, order) => ({ tool, order, rank: matches(tool, words) }))
    .filter(({ rank }) => rank > 0);
  ranked.sort((a, b) => b.rank - a.rank || a.order - b.order);
  return ranked.map(({ tool }) => tool);
}

/** How many steps of each tool a person has approved, over the iterations given. */
export function countApprovals(iterations: readonly IterationView[]): ReadonlyMap<string, number> {
  const approvals = new Map<string, number>();
  for (const { status, intent } of iterations.flatMap(({ plan }) => plan)) {
    if (status !== 'approved' || intent?.kind !== 'toolCall') continue;
    approvals.set(intent.toolName, (approvals.get(intent.toolName) ?? 0) + 1);
  }
  return approvals;
}

/** The `tools` of a chat completions request; parameters are plain JSON Schema without `$schema`. */
export function toLlmTools(tools: readonly Tool[]): LlmTool[] {
  return tools.map((tool) => {
    const { name, description } = tool;
    return { type: 'function', function: { name, description, parameters: jsonSchemaOf(tool) } };
  });
}

function toolModule(inputModule: string): string {
  return Object.hasOwn(MODULE_OF_INPUT, inputModule)
    ? (MODULE_OF_INPUT[inputModule] ?? inputModule)
    : inputModule;
}

/** How many of the tool's words the text uses, inflected ones included ("tasks", "Aufgaben"). */
function matches(tool: Tool, words: readonly string[]): number {
  const own = new Set([
    ...tool.words,
    ...tool.name.split('_').filter((word) => word.length > 2 && !VERBS.has(word)),
  ]);
  return [...own].filter((word) =>
    words.some((used) => used === word || (word.length >= 4 && used.startsWith(word))),
  ).length;
}

function wordsOf(text: string): readonly string[] {
  const found =
    text
      .slice(0, MAX_TEXT)
      .toLowerCase()
      .match(/[\p{L}\p{N}]{3,}/gu) ?? [];
  return [...new Set(found)].slice(0, MAX_WORDS);
}
