import { unknownUrls, urlsIn } from '../inputs/urls.ts';
import { isRecord } from '../values/fields.ts';
import type { PlanStep } from '../missions/iteration.ts';
import type { Adaptation } from '../model/adaptation.ts';
import { MAX_ARGUMENTS, parseObject, readArguments } from './arguments.ts';
import type { ChatMessage, LlmAnswer, ToolCall } from './chat.ts';
import { stepKey } from './step-key.ts';
import { cutText, oneLine, stripThoughts, withoutControls, withoutTemplateTokens } from './text.ts';
import { estimatePromptTokens, estimateTokens } from './tokens.ts';
import { quote, type Tool } from './tools/tool.ts';

/** Answers of the model in one run. */
export const MAX_ROUNDS = 5;
/** Steps of one plan. */
export const MAX_STEPS = 40;
const MAX_CALLS_PER_ROUND = 40;
/** Characters of all params of a plan, and of all arguments that one round leaves in the history: a checkpoint is one stored value. */
const MAX_PLAN_CHARACTERS = 200_000;
const MAX_ROUND_CHARACTERS = 48_000;
const MAX_SUMMARY = 2_000;
const MAX_RATIONALE = 500;
const MAX_CONTENT = 8_000;
const MAX_NAME = 64;
const MAX_CALL_ID = 100;
/** Characters of one answer to a reading call, and of all of a round. */
const MAX_READING = 8_000;
const MAX_ROUND_READINGS = 24_000;
const MAX_LINKS = 500;
const LINKS_LEFT_OUT =
  "The model's words were left out: they held a link that stands in nothing you shared.";
const MAX_TITLES = 300;
const MAX_TITLE = 80;
const MAX_ID = 256;
const MAX_STEP_SUMMARY = 199;

/** A call that was recorded for the person to approve. */
export type RecordedStep = {
  toolName: string;
  params: Record<string, unknown>;
  summary: string;
  rationale?: string;
};

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
  /** tokens as the provider counted them, or our estimate for rounds in which it was silent */
  usage: { promptTokens: number; completionTokens: number };
  /** what the records are called whose ids the model has seen, by id */
  titles: Record<string, string>;
  /** links that a step may have, as urlsIn tells them: given in the prompt or read since; null: any */
  links: string[] | null;
  /** sentences of the runner about how the plan came about; they end its summary */
  notes: string[];
  /** reading calls that were answered, by tool and params */
  readings: string[];
  /** what the run has found out about its model; absent: nothing yet */
  adaptation?: Adaptation;
  /** rounds in a row, up to the last one, of which nothing came but refusals */
  fruitlessRounds: number;
  done: boolean;
  /** the model's final words; null as long as there are none */
  answerText: string | null;
};

/** What a round may use beside the answer itself. */
export type RoundHelp = {
  /** proposals that the person rejected earlier (`rejectedSteps`): refused where they come back unchanged */
  rejected?: ReadonlySet<string>;
  /** answers a call of a reading tool, with arguments that keep its schema; plain JSON, or text */
  read?: (tool: Tool, params: Record<string, unknown>) => unknown;
};

/** A new plan: nothing asked yet. `titles`: of the records in the prompt, by id; summaries of steps call them so. `links`: the only ones that a step may have. */
export function startPlan(prompt: {
  system: string;
  user: string;
  titles?: Readonly<Record<string, string>>;
  notes?: readonly string[];
  links?: readonly string[];
  delimiter?: string;
}): PlanState {
  const { system, user, titles = {}, notes = [], links, delimiter } = prompt;
  return {
    ...(delimiter === undefined ? {} : { delimiter }),
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
    steps: [],
    round: 0,
    usage: { promptTokens: 0, completionTokens: 0 },
    titles: boundedTitles(Object.entries(titles)),
    notes: [...notes],
    links: links?.slice(0, MAX_LINKS) ?? null,
    readings: [],
    fruitlessRounds: 0,
    done: false,
    answerText: null,
  };
}

/**
 * The plan after one more answer. Calls of offered tools with valid arguments become steps, each acknowledged to the model as
 * recorded, or, where the tool reads, get their answer; the others are refused to it with the reason and leave no trace in the
 * plan. Pure: `state` stays as it is, a done plan is returned unchanged.
 */
export function applyAnswer(
  state: PlanState,
  answer: LlmAnswer,
  offered: readonly Tool[],
  help: RoundHelp = {},
): PlanState {
  if (state.done) return state;
  const round = state.round + 1;
  const content = cleanText(answer.content, MAX_CONTENT);
  const calls = boundedCalls(answer.toolCalls, round);
  const judge = new Judge(state, offered, {
    ...help,
    rationale: withoutUnknownLinks(content, state.links, ''),
  });
  const replies = calls.map((call, index): ChatMessage => {
    // Judge what the model sent, not the bounded text that stays in the history.
    const reply = judge.judge(call.name, answer.toolCalls[index]?.arguments ?? '');
    return { role: 'tool', toolCallId: call.id, content: replyText(reply, state.delimiter) };
  });
  return {
    ...state,
    messages: [...state.messages, { role: 'assistant', content, toolCalls: calls }, ...replies],
    steps: judge.steps,
    round,
    usage: addUsage(state, answer, offered),
    titles: boundedTitles([...judge.titles]),
    readings: judge.readings,
    links: judge.links === null ? null : [...judge.links].slice(0, MAX_LINKS),
    fruitlessRounds:
      judge.refused > 0 && judge.refused === calls.length ? state.fruitlessRounds + 1 : 0,
    done: calls.length === 0 || round >= MAX_ROUNDS,
    answerText:
      content === '' ? state.answerText : withoutUnknownLinks(content, state.links, LINKS_LEFT_OUT),
  };
}

/** The names of the calls that were refused between two states of a plan, as the model wrote them. */
export function refusedNames(before: PlanState, after: PlanState): string[] {
  const added = after.messages.slice(before.messages.length);
  const refused = new Set(
    added.flatMap((m) =>
      m.role === 'tool' && m.content.startsWith(REFUSED) ? [m.toolCallId] : [],
    ),
  );
  const calls = added.flatMap((message) => (message.role === 'assistant' ? message.toolCalls : []));
  return calls.filter(({ id }) => refused.has(id)).map(({ name }) => name);
}

/** How the reply to a refused call begins. */
const REFUSED = JSON.stringify({ status: 'refused' }).slice(0, -1);

/** The steps as they are written: `<iterationId>-<n>` from 1 on, all 'planned'. */
export function planSteps(state: PlanState, iterationId: string): PlanStep[] {
  return state.steps.map(({ toolName, params, summary, rationale }, index) => ({
    id: `${iterationId}-${index + 1}`,
    summary,
    ...(rationale === undefined ? {} : { rationale }),
    status: 'planned',
    intent: { kind: 'toolCall', toolName, params },
  }));
}

/**
 * The plan as it ends before the model is done: nothing more is asked, what was recorded stands, `note` says why.
 */
export function endPlan(state: PlanState, note: string): PlanState {
  return { ...state, done: true, notes: [...state.notes, note] };
}

/** What the iteration says about itself: the model's last words, or a plain count where it said nothing, and our notes. At most 2,000 characters. */
export function planSummary({ answerText, steps, notes }: PlanState): string {
  const ours = notes.join(' ');
  const words = answerText ?? countOf(steps.length);
  return [cutText(words, MAX_SUMMARY - ours.length - 2), ...(ours === '' ? [] : [ours])].join(
    '\n\n',
  );
}

function countOf(steps: number): string {
  if (steps === 0) return 'No steps were proposed.';
  return steps === 1 ? 'One step was proposed.' : `${steps} steps were proposed.`;
}

type Reply =
  | { status: 'recorded'; note: string }
  | { status: 'read'; result: unknown }
  | { status: 'refused'; reason: string };

/** What was read is data like the prompt's own and stands between the same marks; in it they would not be ours. */
function replyText(reply: Reply, delimiter: string | undefined): string {
  if (reply.status !== 'read' || delimiter === undefined) return JSON.stringify(reply);
  const result = JSON.parse(
    JSON.stringify(reply.result).replaceAll(delimiter, '(removed)'),
  ) as unknown;
  return JSON.stringify({
    status: 'read',
    begin: `BEGIN RESULT ${delimiter}`,
    result,
    end: `END RESULT ${delimiter}`,
  });
}

/** Decides about the calls of one round, one after the other: each knows of those before it. */
class Judge {
  readonly steps: RecordedStep[];
  readonly readings: string[];
  readonly titles: Map<string, string>;
  readonly links: Set<string> | null;
  refused = 0;
  readonly #offered: readonly Tool[];
  readonly #help: RoundHelp & { rationale: string };
  readonly #recorded: Set<string>;
  #room = MAX_ROUND_READINGS;

  constructor(
    { steps, readings, titles, links }: PlanState,
    offered: readonly Tool[],
    help: RoundHelp & { rationale: string },
  ) {
    this.steps = [...steps];
    this.readings = [...readings];
    this.titles = new Map(Object.entries(titles));
    this.links = links === null ? null : new Set(links);
    this.#offered = offered;
    this.#help = help;
    this.#recorded = new Set(steps.map(({ toolName, params }) => stepKey(toolName, params)));
  }

  judge(name: string, sentArguments: string): Reply {
    const tool = this.#offered.find((candidate) => candidate.name === name);
    if (tool === undefined)
      return this.#refuse('There is no tool of this name. Use the tools that you were given.');
    const reading = readArguments(tool, sentArguments);
    if (!reading.ok)
      return this.#refuse(`${reading.problem} Nothing was recorded; correct the call or leave it.`);
    return tool.kind === 'read'
      ? this.#read(tool, reading.params)
      : this.#record(tool, reading.params);
  }

  #read(tool: Tool, params: Record<string, unknown>): Reply {
    const key = stepKey(tool.name, params);
    if (this.readings.includes(key))
      return this.#refuse('You have read this already; its answer stands above.');
    if (this.#help.read === undefined)
      return this.#refuse('Nothing can be read with this tool now.');
    if (this.#room <= 0)
      return this.#refuse('That is too much for one turn. Ask again in the next one.');
    const result = boundedReading(this.#help.read(tool, params), Math.min(MAX_READING, this.#room));
    this.#room -= JSON.stringify(result).length;
    this.readings.push(key);
    for (const [id, title] of titlesIn(result)) this.titles.set(id, title);
    for (const link of this.links === null ? [] : urlsIn(result)) this.links?.add(link);
    return { status: 'read', result };
  }

  #record(tool: Tool, params: Record<string, unknown>): Reply {
    if (this.steps.length >= MAX_STEPS)
      return this.#refuse(`The plan is full: it has ${MAX_STEPS} steps. Finish with a summary.`);
    if (
      this.steps.reduce((sum, step) => sum + sizeOf(step.params), sizeOf(params)) >
      MAX_PLAN_CHARACTERS
    )
      return this.#refuse(
        'The plan is full: its steps are too long in all. Finish with a summary.',
      );
    const key = stepKey(tool.name, params);
    if (this.#recorded.has(key))
      return this.#refuse('This very step is already recorded. Do not repeat it.');
    if (this.#help.rejected?.has(key) === true)
      return this.#refuse(
        'The person rejected this very step earlier. Leave it, or propose something different.',
      );
    const [link] = this.links === null ? [] : unknownUrls(params, this.links);
    if (link !== undefined)
      return this.#refuse(
        `The link ${oneLine(link, 200)} stands in no input. Leave links out that you were not given.`,
      );
    this.#recorded.add(key);
    const summary = withTitles(tool.summarise(params), params, this.titles);
    this.steps.push(withRationale({ toolName: tool.name, params, summary }, this.#help.rationale));
    return {
      status: 'recorded',
      note: 'Recorded as a proposal; the person decides. Nothing was executed.',
    };
  }

  #refuse(reason: string): Reply {
    this.refused += 1;
    return { status: 'refused', reason };
  }
}

/** An answer that is too long becomes the beginning of its text: the model sees what there is and that there is more. */
function boundedReading(result: unknown, most: number): unknown {
  const text = withoutTemplateTokens(JSON.stringify(result) ?? 'null');
  if (text.length <= most) return JSON.parse(text) as unknown;
  return { beginning: cutText(text, Math.max(0, most - 200)), note: 'Cut here; ask for less.' };
}

/** A person knows records by their titles, not by their ids. */
function withTitles(
  summary: string,
  params: Record<string, unknown>,
  titles: ReadonlyMap<string, string>,
): string {
  let text = summary;
  for (const value of Object.values(params)) {
    const title = typeof value === 'string' ? titles.get(value) : undefined;
    if (typeof value === 'string' && title !== undefined)
      text = text.replaceAll(quote(value), () => quote(title));
  }
  return oneLine(text, MAX_STEP_SUMMARY);
}

/** Records in the answer to a reading call: `items` with an id and a title. */
function titlesIn(result: unknown): [string, string][] {
  const items = isRecord(result) && Array.isArray(result['items']) ? result['items'] : [];
  return items
    .filter(isRecord)
    .flatMap(({ id, title }): [string, string][] =>
      typeof id === 'string' && typeof title === 'string' ? [[id, title]] : [],
    );
}

function boundedTitles(titles: readonly [string, string][]): Record<string, string> {
  const known = titles.map(([id, title]) => [id, oneLine(title, MAX_TITLE)] as const);
  return Object.fromEntries(
    known.filter(([id, title]) => id.length <= MAX_ID && title !== '').slice(-MAX_TITLES),
  );
}

/** An app shows words as it shows steps, and loads a picture without asking: a link in them is a way out too. */
function withoutUnknownLinks(
  words: string,
  links: readonly string[] | null,
  instead: string,
): string {
  return links === null || unknownUrls(words, new Set(links)).length === 0 ? words : instead;
}

function withRationale(step: RecordedStep, content: string): RecordedStep {
  return content === '' ? step : { ...step, rationale: cutText(content, MAX_RATIONALE) };
}

/** What stays in the history: few and short enough to store, each with an id of its own, a short name, the text of an object. */
function boundedCalls(toolCalls: readonly ToolCall[], round: number): ToolCall[] {
  const ids = new Set<string>();
  let room = MAX_ROUND_CHARACTERS;
  return toolCalls.slice(0, MAX_CALLS_PER_ROUND).map((call, index) => {
    const given = cutText(call.id, MAX_CALL_ID, '');
    const id = given === '' || ids.has(given) ? `call_${round}_${index + 1}` : given;
    ids.add(id);
    const kept =
      call.arguments.length <= room && isObjectText(call.arguments)
        ? call.arguments.toWellFormed()
        : '{}';
    room -= kept.length;
    return { id, name: historyName(call.name), arguments: kept };
  });
}

/** A name that the model made up may hold anything; servers refuse a history with such a name, and so every later round. */
function historyName(name: string): string {
  return cutText(name, MAX_NAME, '').replace(/[^\w-]/g, '_');
}

function isObjectText(text: string): boolean {
  return text.length <= MAX_ARGUMENTS && text.trim() !== '' && parseObject(text) !== null;
}

function sizeOf(params: Record<string, unknown>): number {
  return JSON.stringify(params).length;
}

function cleanText(text: string, max: number): string {
  return cutText(withoutControls(stripThoughts(cutText(text, max * 4))).trim(), max);
}

/**
 * What one answer cost, in tokens. Where the provider counts nothing, or nonsense, our own estimate stands in: a budget must not be
 * free of charge.
 */
export function usageOfRound(
  state: PlanState,
  answer: LlmAnswer,
  offered: readonly Tool[],
): PlanState['usage'] {
  const { promptTokens, completionTokens } = answer.usage;
  return {
    promptTokens: counted(promptTokens) ?? estimatePromptTokens(state.messages, offered),
    completionTokens: counted(completionTokens) ?? answerTokens(answer),
  };
}

function addUsage(
  state: PlanState,
  answer: LlmAnswer,
  offered: readonly Tool[],
): PlanState['usage'] {
  const round = usageOfRound(state, answer, offered);
  return {
    promptTokens: state.usage.promptTokens + round.promptTokens,
    completionTokens: state.usage.completionTokens + round.completionTokens,
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
