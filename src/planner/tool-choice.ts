import type { PolicyDecision } from '../missions/agent.ts';
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

/**
 * The tools that one run offers: never a denied one, at most `maxTools`. First those of the modules that the inputs name, then
 * those whose words the mission's text uses, most of them first, then the rest; each group in the order of `tools`.
 */
export function chooseTools(question: {
  tools: readonly Tool[];
  decide: (tool: Tool) => PolicyDecision;
  inputModules: readonly string[];
  missionText: string;
  maxTools: number;
}): readonly Tool[] {
  const modules = new Set(question.inputModules.map(toolModule));
  const words = wordsOf(question.missionText);
  const ranked = question.tools
    .filter((tool) => question.decide(tool) !== 'deny')
    .map((tool, order) => ({ tool, order, rank: modules.has(tool.module) ? Infinity : matches(tool, words) }));
  ranked.sort((a, b) => (a.rank === b.rank ? a.order - b.order : b.rank - a.rank));
  return ranked.slice(0, Math.max(0, question.maxTools)).map(({ tool }) => tool);
}

/** The `tools` of a chat completions request; parameters are plain JSON Schema without `$schema`. */
export function toLlmTools(tools: readonly Tool[]): LlmTool[] {
  return tools.map((tool) => {
    const { name, description } = tool;
    return { type: 'function', function: { name, description, parameters: jsonSchemaOf(tool) } };
  });
}

function toolModule(inputModule: string): string {
  return Object.hasOwn(MODULE_OF_INPUT, inputModule) ? (MODULE_OF_INPUT[inputModule] ?? inputModule) : inputModule;
}

/** How many of the tool's words the text uses, inflected ones included ("tasks", "Aufgaben"). */
function matches(tool: Tool, words: readonly string[]): number {
  const own = new Set([...tool.words, ...tool.name.split('_').filter((word) => word.length > 2 && !VERBS.has(word))]);
  return [...own].filter((word) => words.some((used) => used === word || (word.length >= 4 && used.startsWith(word))))
    .length;
}

function wordsOf(text: string): readonly string[] {
  const found =
    text
      .slice(0, MAX_TEXT)
      .toLowerCase()
      .match(/[\p{L}\p{N}]{3,}/gu) ?? [];
  return [...new Set(found)].slice(0, MAX_WORDS);
}
