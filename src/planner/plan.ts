import type { PlanStep } from '../missions/iteration.ts';
import type { Adaptation } from './adaptation.ts';
import { MAX_ARGUMENTS, parseLoosely, parseObject } from './arguments.ts';
import type { ChatMessage, Extras, LlmAnswer, ToolCall } from './chat.ts';
import {
  Judge,
  type RecordedStep,
  type RefusalReason,
  type RefusedCall,
  replyText,
  type RoundHelp,
} from './judge.ts';
import type { Language } from './language.ts';
import { type PlanLinks, withoutUnknownLinks } from './links.ts';
import {
  foreignMarkup,
  type Quotable,
  shownForm,
  stripThoughts,
  withoutTurnTokens,
} from './markup.ts';
import { FIND_TOOLS } from './find-tools.ts';
import { OWN_WORDS } from './own-words.ts';
import { parseReadingKey } from './reading-key.ts';
import { cutText, oneLine, withoutControls } from './text.ts';
import { estimatePromptTokens, estimateTokens } from './tokens.ts';
import type { Tool } from './tools/tool.ts';

export { MAX_STEPS, type RecordedStep, type RoundHelp } from './judge.ts';

/** Answers of the model in one run. */
export const MAX_ROUNDS = 5;
const MAX_CALLS_PER_ROUND = 40;
/** Characters of all arguments that one round leaves in the history: a checkpoint is one stored value. */
const MAX_ROUND_CHARACTERS = 48_000;
const MAX_SUMMARY = 2_000;
const MAX_CONTENT = 8_000;
const MAX_NAME = 64;
const MAX_CALL_ID = 100;
const MAX_TITLES = 300;
const MAX_TITLE = 80;
const MAX_ID = 256;
const MAX_REFUSALS = 100;

/** What a run has spent, in tokens as the provider counted them, or our estimate for rounds in which it was silent. */
export type PlanUsage = {
  promptTokens: number;
  completionTokens: number;
  /** of the prompts' tokens, those that the server did not read anew */
  cachedTokens?: number;
  /** answers and failed calls that were paid for */
  calls?: number;
  /** a part of it is our estimate */
  estimated?: boolean;
};

/** What became of one call, by the name that stands in the history. */
export type CallOutcome = { toolName: string; outcome: 'recorded' | 'answered' | 'refused' };

const OUTCOMES = { recorded: 'recorded', read: 'answered', refused: 'refused' } as const;

/**
 * A plan in the making, after each answer of the model; plain JSON, bounded, so that every round can be a checkpoint.
 * asking (round < 5, done false) -> done, when an answer has no calls or the rounds are used up.
 */
export type PlanState = {
  messages: ChatMessage[];
  /** of the prompt: what is read later stands between the same marks */
  delimiter?: string;
  steps: RecordedStep[];
  /** answers applied so far */
  round: number;
  usage: PlanUsage;
  /** calls that were refused to the model, the first hundred; absent: none */
  refusals?: RefusedCall[];
  /** what the records are called whose ids the model has seen, by id */
  titles: Record<string, string>;
  /** those that a step may have, given in the prompt or read since; null: any */
  links: PlanLinks | null;
  /** sentences of the runner about how the plan came about; they end its summary */
  notes: string[];
  /** reading calls that were answered, by tool and params */
  readings: string[];
  /** of the last round's calls, in their order; absent before the first round and in plans of older builds */
  outcomes?: CallOutcome[];
  /** what the run has found out about its model; absent: nothing yet */
  adaptation?: Adaptation;
  /** the prompt that was sent last, as we and the server counted it; absent: none was counted */
  counted?: { counted: number; reported: number };
  /** rounds in a row, up to the last one, of which nothing came but refusals */
  fruitlessRounds: number;
  /** answers that nothing could be read from; the model was told of the first */
  unread?: number;
  /** of what the runner says itself; absent: English */
  language?: Language;
  done: boolean;
  /** the model's final words; null as long as there are none */
  answerText: string | null;
};

/** A new plan: nothing asked yet. `titles`: of the records in the prompt, by id; summaries of steps call them so. `links`: the only ones that any step may have, the mission's; `readLinks`: those of what was read. */
export function startPlan(prompt: {
  system: string;
  user: string;
  titles?: Readonly<Record<string, string>>;
  notes?: readonly string[];
  links?: readonly string[];
  readLinks?: Omit<PlanLinks, 'mission'>;
  delimiter?: string;
  language?: Language;
  /** steps that the plan has before the model is asked */
  steps?: readonly RecordedStep[];
}): PlanState {
  const { system, user, titles = {}, notes = [], delimiter, language, steps = [] } = prompt;
  const { links, readLinks } = prompt;
  return {
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(language === undefined ? {} : { language }),
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
    steps: [...steps],
    round: 0,
    usage: { promptTokens: 0, completionTokens: 0 },
    titles: boundedTitles(Object.entries(titles)),
    notes: [...notes],
    links:
      links === undefined ? null : { records: {}, research: [], ...readLinks, mission: [...links] },
    readings: [],
    fruitlessRounds: 0,
    done: false,
    answerText: null,
  };
}

/**
 * The plan after one more answer. Calls of offered tools with valid arguments become steps, each acknowledged to the model as
 * recorded, or, where the tool reads, get their answer; the others are refused to it with the reason and leave no trace in the
 * plan. An answer without calls whose words hold markup is told to the model once. Pure: `state` stays as it is, a done plan is
 * returned unchanged.
 */
export function applyAnswer(
  state: PlanState,
  answer: LlmAnswer,
  offered: readonly Tool[],
  help: RoundHelp = {},
): PlanState {
  if (state.done) return state;
  const quotable = quotableOf(state);
  const spoken = cleanText(answer.content, MAX_CONTENT);
  const isClean = foreignMarkup(spoken, quotable) === null;
  if (!isClean && answer.toolCalls.length === 0)
    return withUnread(state, usageAfter(state, usageOfRound(state, answer, offered)));
  const content = isClean ? spoken : '';
  const round = state.round + 1;
  const calls = boundedCalls(answer.toolCalls, round);
  const rationale = withoutUnknownLinks(content, { plan: state, instead: '' });
  const language = help.language ?? state.language ?? 'en';
  const judge = new Judge(state, offered, { ...help, language, rationale, quotable });
  const judged = calls.map((call, index) => {
    // Judge what the model sent, not the bounded text that stays in the history.
    const sent = answer.toolCalls[index];
    return { call, reply: judge.judge(sent?.name ?? call.name, sent?.arguments ?? '') };
  });
  const replies = judged.map(({ call, reply }): ChatMessage => {
    return { role: 'tool', toolCallId: call.id, content: replyText(reply, state.delimiter) };
  });
  const refused = judge.refused.length;
  return {
    ...state,
    messages: [...state.messages, assistantMessage(content, calls, answer.extras), ...replies],
    steps: judge.steps,
    round,
    usage: usageAfter(state, usageOfRound(state, answer, offered)),
    ...(refused === 0
      ? {}
      : { refusals: [...(state.refusals ?? []), ...judge.refused].slice(0, MAX_REFUSALS) }),
    titles: boundedTitles([...judge.titles]),
    readings: judge.readings,
    outcomes: judged.map(({ call, reply }) => ({
      toolName: call.name,
      outcome: OUTCOMES[reply.status],
    })),
    links: judge.links,
    fruitlessRounds: refused > 0 && refused === calls.length ? state.fruitlessRounds + 1 : 0,
    done: calls.length === 0 || round >= MAX_ROUNDS,
    answerText:
      content === ''
        ? state.answerText
        : withoutUnknownLinks(content, {
            plan: { ...state, steps: judge.steps },
            instead: OWN_WORDS[language].linksLeftOut,
          }),
  };
}

const TOLD =
  'Your last answer could not be read: it was neither a call nor plain words. Call a tool through the interface that you were given, or answer in one to three plain sentences without markup.';

/**
 * The plan after an answer that nothing can be read from: the model is told, once. The second one ends the plan, with the steps that it
 * has; one without any has failed (`planFailure`).
 */
export function withUnread(state: PlanState, usage: PlanUsage = state.usage): PlanState {
  if (state.done) return state;
  const unread = (state.unread ?? 0) + 1;
  const round = state.round + 1;
  const messages: ChatMessage[] = [
    ...state.messages,
    { role: 'assistant', content: '(unreadable)', toolCalls: [] },
    { role: 'user', content: TOLD },
  ];
  return { ...state, messages, usage, unread, round, done: unread > 1 || round >= MAX_ROUNDS };
}

const NOT_RECORDED: Partial<Record<RefusalReason, string>> = {
  'unknown-tool': 'a tool that does not exist was called',
  arguments: 'arguments did not fit the tool',
  date: 'a date was past or not certain',
  markup: 'a text held markup',
  repeated: 'a step was repeated',
  'rejected-before': 'a step had been rejected earlier',
  'open-already': 'a step waits for a decision already',
  'done-already': 'a step was done already',
  link: 'a link stood in nothing that was shared',
  full: 'the plan was full',
};

/** Why a done plan is no plan: a code for machines, and sentences that hold nothing of the person's; null for one that is. */
export function planFailure(
  state: PlanState,
): { name: string; code: string; message: string } | null {
  if (!state.done || state.steps.length > 0) return null;
  if (
    (state.unread ?? 0) > 1 ||
    ((state.unread ?? 0) > 0 && state.answerText === null && state.refusals === undefined)
  )
    return { name: 'PlannerError', code: 'LLM_BAD_ANSWER', message: UNREAD };
  const reads = state.readings.filter((key) => parseReadingKey(key).toolName !== FIND_TOOLS);
  if (state.refusals === undefined || reads.length > 0) return null;
  const reasons = new Set(
    (state.refusals ?? [])
      .map(({ reason }) => NOT_RECORDED[reason])
      .filter((words) => words !== undefined),
  );
  const why = reasons.size === 0 ? '' : `: ${[...reasons].join(', ')}`;
  return {
    name: 'NothingRecorded',
    code: 'NOTHING_RECORDED',
    message: `Nothing could be recorded, because every call of the language model was refused${why}. Run the mission again, or use a model that is better at tool calls.`,
  };
}

const UNREAD =
  'The mission could not be planned (LLM_BAD_ANSWER). The language model answered twice with markup that can be read neither as calls nor as words. Set MANA_LLM_MODEL to one that its server knows better.';

/** The names of the calls that were refused in the round between two states of a plan. */
export function refusedNames(before: PlanState, after: PlanState): string[] {
  const outcomes = after.round === before.round ? [] : (after.outcomes ?? []);
  return outcomes.flatMap(({ toolName, outcome }) => (outcome === 'refused' ? [toolName] : []));
}

/** The steps as they are written: `<iterationId>-<n>` from 1 on, all 'planned'. */
export function planSteps(state: PlanState, iterationId: string): PlanStep[] {
  return state.steps.map(({ toolName, params, summary, rationale, repeats }, index) => ({
    id: `${iterationId}-${index + 1}`,
    summary,
    ...(rationale === undefined ? {} : { rationale }),
    status: 'planned',
    intent: { kind: 'toolCall', toolName, params },
    ...(repeats === undefined ? {} : { repeats }),
  }));
}

/**
 * The plan as it ends before the model is done: nothing more is asked, what was recorded stands, `note` says why.
 */
export function endPlan(state: PlanState, note: string): PlanState {
  return { ...state, done: true, notes: [...state.notes, note] };
}

/** What the iteration says about itself: the model's last words, or a plain count where it said nothing, and our notes. At most 2,000 characters. */
export function planSummary({ answerText, steps, notes, language = 'en' }: PlanState): string {
  const ours = notes.join(' ');
  const words = answerText ?? countOf(steps.length, language);
  return [cutText(words, MAX_SUMMARY - ours.length - 2), ...(ours === '' ? [] : [ours])].join(
    '\n\n',
  );
}

function countOf(steps: number, language: Language): string {
  const words = OWN_WORDS[language];
  if (steps === 0) return words.noSteps;
  return steps === 1 ? words.oneStep : words.steps(steps);
}

function boundedTitles(titles: readonly [string, string][]): Record<string, string> {
  const known = titles.map(([id, title]) => [id, oneLine(title, MAX_TITLE)] as const);
  return Object.fromEntries(
    known.filter(([id, title]) => id.length <= MAX_ID && title !== '').slice(-MAX_TITLES),
  );
}

/** What stays in the history: few and short enough to store, each with an id of its own, a short name, the text of an object. */
function boundedCalls(toolCalls: readonly ToolCall[], round: number): ToolCall[] {
  const ids = new Set<string>();
  let room = MAX_ROUND_CHARACTERS;
  return toolCalls.slice(0, MAX_CALLS_PER_ROUND).map((call, index) => {
    const given = cutText(call.id, MAX_CALL_ID, '');
    const id = given === '' || ids.has(given) ? callIdOf(round, index) : given;
    ids.add(id);
    const kept = objectText(call.arguments, room);
    room -= kept.length;
    return { id, name: historyName(call.name), arguments: kept, ...extrasWithin(call.extras) };
  });
}

/** The object that a call's arguments mean, as JSON text; `{}` for what is none or too long. */
function objectText(text: string, room: number): string {
  if (text.length > Math.min(room, MAX_ARGUMENTS) || text.trim() === '') return '{}';
  if (parseObject(text) !== null) return text.toWellFormed();
  const meant = parseLoosely(text);
  return meant === null ? '{}' : JSON.stringify(meant).toWellFormed();
}

/** Nine letters and digits: Mistral takes no other ids, and nobody refuses these. */
function callIdOf(round: number, index: number): string {
  return `call${String(round).padStart(2, '0')}${String(index + 1).padStart(3, '0')}`;
}

/** Longest fields of a message or a call that only its own server understands, as JSON text. */
const MAX_EXTRAS = 64_000;

function extrasWithin(extras: Extras | undefined): { extras?: Extras } {
  return extras !== undefined && JSON.stringify(extras).length <= MAX_EXTRAS ? { extras } : {};
}

function assistantMessage(
  content: string,
  toolCalls: ToolCall[],
  extras: LlmAnswer['extras'],
): ChatMessage {
  const fields = extrasWithin(extras?.fields).extras;
  const kept =
    extras === undefined || fields === undefined ? {} : { extras: { ...extras, fields } };
  return { role: 'assistant', content, toolCalls, ...kept };
}

/** A name that the model made up may hold anything; servers refuse a history with such a name, and so every later round. */
function historyName(name: string): string {
  return cutText(name, MAX_NAME, '').replace(/[^\w-]/g, '_');
}

function cleanText(text: string, max: number): string {
  return cutText(
    withoutControls(withoutTurnTokens(stripThoughts(cutText(text, max * 4)))).trim(),
    max,
  );
}

/** What the words of this plan may quote: the data of its prompt and what was read since. */
function quotableOf({ messages, delimiter = '' }: PlanState): Quotable {
  const data = messages.filter(({ role }) => role === 'user' || role === 'tool');
  return { data: shownForm(data.map(({ content }) => content).join('\n')), delimiter };
}

/**
 * What one answer cost, in tokens. Where the provider counts nothing, or nonsense, our own estimate stands in: a budget must not be
 * free of charge.
 */
export function usageOfRound(
  state: PlanState,
  answer: LlmAnswer,
  offered: readonly Tool[],
): PlanUsage {
  const { promptTokens, completionTokens, cachedTokens } = answer.usage;
  const [prompt, completion] = [counted(promptTokens), counted(completionTokens)];
  return {
    promptTokens: prompt ?? estimatePromptTokens(state.messages, offered),
    completionTokens: completion ?? answerTokens(answer),
    ...(cachedTokens === undefined ? {} : { cachedTokens }),
    ...(prompt === null || completion === null ? { estimated: true } : {}),
  };
}

/** The plan's usage with that of one more call. */
export function usageAfter({ usage }: Pick<PlanState, 'usage'>, more: PlanUsage): PlanUsage {
  const cached = (usage.cachedTokens ?? 0) + (more.cachedTokens ?? 0);
  return {
    promptTokens: usage.promptTokens + more.promptTokens,
    completionTokens: usage.completionTokens + more.completionTokens,
    ...(cached === 0 ? {} : { cachedTokens: cached }),
    ...(usage.estimated === true || more.estimated === true ? { estimated: true } : {}),
  };
}

function answerTokens({ content, toolCalls }: LlmAnswer): number {
  return estimateTokens(
    [content, ...toolCalls.map((call) => `${call.name}${call.arguments}`)].join('\n'),
  );
}

function counted(count: number | null): number | null {
  return count !== null && Number.isSafeInteger(count) && count > 0 ? count : null;
}
