import { events, goals, news, newsResearch, times } from './modules/app-only.ts';
import { articles } from './modules/articles.ts';
import { augur } from './modules/augur.ts';
import { broadcast } from './modules/broadcast.ts';
import { calendar } from './modules/calendar.ts';
import { comic } from './modules/comic.ts';
import { contacts } from './modules/contacts.ts';
import { drink } from './modules/drink.ts';
import { finance } from './modules/finance.ts';
import { habits } from './modules/habits.ts';
import { invoices } from './modules/invoices.ts';
import { journal } from './modules/journal.ts';
import { lasts } from './modules/lasts.ts';
import { library } from './modules/library.ts';
import { mood } from './modules/mood.ts';
import { notes } from './modules/notes.ts';
import { places } from './modules/places.ts';
import { quiz } from './modules/quiz.ts';
import { todo } from './modules/todo.ts';
import { website } from './modules/website.ts';
import { writing } from './modules/writing.ts';
import type { AppOnlyTool, CarryOutTool, ModuleTools } from './step.ts';
import type { Effect } from './types.ts';

/** The modules of the app whose tools may be proposed. */
export const MODULES: readonly ModuleTools[] = [
  todo,
  calendar,
  notes,
  places,
  drink,
  news,
  articles,
  newsResearch,
  journal,
  habits,
  goals,
  contacts,
  mood,
  finance,
  times,
  events,
  quiz,
  invoices,
  library,
  broadcast,
  website,
  writing,
  comic,
  augur,
  lasts,
];

const TOOLS = new Map<string, { of: ModuleTools; tool: CarryOutTool | AppOnlyTool }>(
  MODULES.flatMap((of) => Object.entries(of.tools).map(([name, tool]) => [name, { of, tool }])),
);

/**
 * What is known of a tool: its module, that module's name in the sync log, what it does, and
 * whether rows can do it.
 */
export type ToolFacts = {
  name: string;
  module: string;
  appId: string;
  effect: Effect;
  appOnly: boolean;
};

/** Null for a tool that nobody can carry out. */
export function toolFacts(name: string): ToolFacts | null {
  const found = TOOLS.get(name);
  if (found === undefined) return null;
  const { of, tool } = found;
  const { module, appId } = of;
  return { name, module, appId, effect: tool.effect, appOnly: 'appOnly' in tool };
}

/** How rows carry the tool out; null where they cannot, or the tool is unknown. */
export function carryOutTool(name: string): CarryOutTool | null {
  const tool = TOOLS.get(name)?.tool;
  return tool === undefined || 'appOnly' in tool ? null : tool;
}

/**
 * The app, by its name in the sync log, of a module; a name that is no module's is taken for an
 * app's.
 */
export function appOfModule(name: string): string {
  return MODULES.find(({ module }) => module === name)?.appId ?? name;
}
