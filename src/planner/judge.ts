import { isRecord } from '../values/fields.ts';
import { readArguments } from './arguments.ts';
import type { Moment } from './calendar-days.ts';
import { withDates } from './dates.ts';
import type { Language } from './language.ts';
import { judgeLinks, linksRead, type PlanLinks, readLinksOf } from './links.ts';
import { foreignMarkup, type Quotable } from './markup.ts';
import { readingKey } from './reading-key.ts';
import { stepKey } from './step-key.ts';
import { cutText, oneLine, withoutTemplateTokens } from './text.ts';
import { toolMeant } from './tool-name.ts';
import { sentenceOf } from './tools/sentences.ts';
import { quote, type Tool } from './tools/tool.ts';

/** Steps of one plan. */
export const MAX_STEPS = 40;
/** Characters of all params of a plan: a checkpoint is one stored value. */
const MAX_PLAN_CHARACTERS = 200_000;
const MAX_RATIONALE = 500;
/** Characters of one answer to a reading call, and of all of a round. */
const MAX_READING = 8_000;
const MAX_ROUND_READINGS = 24_000;
const MAX_STEP_SUMMARY = 199;

/** A call that was recorded for the person to approve. */
export type RecordedStep = {
  toolName: string;
  params: Record<string, unknown>;
  summary: string;
  rationale?: string;
  /** the id of an earlier step that this one proposes once more */
  repeats?: string;
};

/** Why a call was refused, for counts and for people; the model is told a sentence. */
export type RefusalReason =
  | 'unknown-tool'
  | 'arguments'
  | 'date'
  | 'markup'
  | 'repeated'
  | 'rejected-before'
  | 'open-already'
  | 'done-already'
  | 'link'
  | 'full'
  | 'read-already'
  | 'not-readable';

export type RefusedCall = { tool: string; reason: RefusalReason };

/** What a round may use beside the answer itself. */
export type RoundHelp = {
  /** proposals that the person rejected earlier (`rejectedSteps`): refused where they come back */
  rejected?: ReadonlySet<string>;
  /** proposals that need not be made again (`standingSteps`) */
  standing?: ReadonlyMap<string, 'open' | 'done'>;
  /** answers a call of a reading tool, with arguments that keep its schema; plain JSON, or text */
  read?: (tool: Tool, params: Record<string, unknown>) => unknown;
  /** when and where days are meant; left out, dates stay as the model wrote them */
  moment?: Moment;
  /** of the sentences about steps; default: English */
  language?: Language;
};

export type Reply =
  | { status: 'recorded'; note: string }
  | { status: 'read'; result: unknown }
  | { status: 'refused'; reason: string };

/** What the rounds before have led to. */
export type Findings = {
  steps: readonly RecordedStep[];
  readings: readonly string[];
  titles: Readonly<Record<string, string>>;
  links: PlanLinks | null;
};

export type JudgeHelp = RoundHelp & { rationale: string; quotable: Quotable };

/** Decides about the calls of one round, one after the other: each knows of those before it. */
export class Judge {
  readonly steps: RecordedStep[];
  readonly readings: string[];
  readonly titles: Map<string, string>;
  links: PlanLinks | null;
  readonly refused: RefusedCall[] = [];
  readonly #offered: readonly Tool[];
  readonly #help: JudgeHelp;
  readonly #recorded: Set<string>;
  #room = MAX_ROUND_READINGS;

  constructor(
    { steps, readings, titles, links }: Findings,
    offered: readonly Tool[],
    help: JudgeHelp,
  ) {
    this.steps = [...steps];
    this.readings = [...readings];
    this.titles = new Map(Object.entries(titles));
    this.links = links;
    this.#offered = offered;
    this.#help = help;
    this.#recorded = new Set(steps.map(({ toolName, params }) => stepKey(toolName, params)));
  }

  judge(name: string, sentArguments: string): Reply {
    const tool = toolMeant(name, this.#offered);
    if (tool === undefined)
      return this.#refuse(
        'other',
        'unknown-tool',
        'There is no tool of this name. Use the tools that you were given.',
      );
    const reading = readArguments(tool, sentArguments);
    if (!reading.ok)
      return this.#refuse(
        tool.name,
        'arguments',
        `${reading.problem} Nothing was recorded; correct the call or leave it.`,
      );
    return tool.kind === 'read'
      ? this.#read(tool, reading.params)
      : this.#propose(tool, reading.params);
  }

  #read(tool: Tool, params: Record<string, unknown>): Reply {
    const key = readingKey(tool.name, params);
    if (this.readings.includes(key))
      return this.#refuse(
        tool.name,
        'read-already',
        'You have read this already; its answer stands above.',
      );
    if (this.#help.read === undefined)
      return this.#refuse(tool.name, 'not-readable', 'Nothing can be read with this tool now.');
    if (this.#room <= 0)
      return this.#refuse(
        tool.name,
        'full',
        'That is too much for one turn. Ask again in the next one.',
      );
    const result = boundedReading(this.#help.read(tool, params), Math.min(MAX_READING, this.#room));
    this.#room -= JSON.stringify(result).length;
    this.readings.push(key);
    for (const [id, title] of titlesIn(result)) this.titles.set(id, title);
    if (this.links !== null) this.links = linksRead(this.links, result);
    return { status: 'read', result };
  }

  #propose(tool: Tool, given: Record<string, unknown>): Reply {
    const { moment } = this.#help;
    const dated =
      moment === undefined
        ? ({ ok: true, params: given } as const)
        : withDates(tool, given, moment);
    if (!dated.ok) return this.#refuse(tool.name, 'date', `${dated.problem} Nothing was recorded.`);
    const { params } = dated;
    return this.#obstacle(tool, params) ?? this.#record(tool, params);
  }

  /** What keeps a call with good arguments from being a step of this plan. */
  #obstacle(tool: Tool, params: Record<string, unknown>): Reply | null {
    if (this.steps.length >= MAX_STEPS)
      return this.#refuse(
        tool.name,
        'full',
        `The plan is full: it has ${MAX_STEPS} steps. Finish with a summary.`,
      );
    const size = this.steps.reduce((sum, step) => sum + sizeOf(step.params), sizeOf(params));
    if (size > MAX_PLAN_CHARACTERS)
      return this.#refuse(
        tool.name,
        'full',
        'The plan is full: its steps are too long in all. Finish with a summary.',
      );
    const markup = foreignMarkup(textsIn(params).join('\n'), this.#help.quotable);
    if (markup !== null)
      return this.#refuse(
        tool.name,
        'markup',
        'A text of the call holds markup of calls or thoughts. Write it in plain words.',
      );
    return this.#repetition(tool, stepKey(tool.name, params)) ?? this.#strangeLink(tool, params);
  }

  #repetition({ name }: Tool, key: string): Reply | null {
    if (this.#recorded.has(key))
      return this.#refuse(
        name,
        'repeated',
        'This very step is already recorded. Do not repeat it.',
      );
    const standing = this.#help.standing?.get(key);
    if (standing === 'open')
      return this.#refuse(
        name,
        'open-already',
        'This very step was proposed earlier and still waits for the person. Do not propose it again.',
      );
    if (standing === 'done')
      return this.#refuse(
        name,
        'done-already',
        'This very step was done already. Leave it, or propose something different.',
      );
    return this.#help.rejected?.has(key) === true
      ? this.#refuse(
          name,
          'rejected-before',
          'The person rejected this very step earlier. Leave it, or propose something different.',
        )
      : null;
  }

  #strangeLink({ name }: Tool, params: Record<string, unknown>): Reply | null {
    if (this.links === null) return null;
    const used = readLinksOf({ steps: this.steps, answerText: null }, this.links);
    const verdict = judgeLinks(params, this.links, used);
    return verdict.ok ? null : this.#refuse(name, 'link', verdict.reason);
  }

  #record(tool: Tool, params: Record<string, unknown>): Reply {
    const { rationale, language = 'en' } = this.#help;
    this.#recorded.add(stepKey(tool.name, params));
    const summary = withTitles(sentenceOf(tool, params, language), params, this.titles);
    const why = rationale === '' ? {} : { rationale: cutText(rationale, MAX_RATIONALE) };
    this.steps.push({ toolName: tool.name, params, summary: plainSummary(summary, tool), ...why });
    return {
      status: 'recorded',
      note: 'Recorded as a proposal; the person decides. Nothing was executed.',
    };
  }

  #refuse(tool: string, code: RefusalReason, reason: string): Reply {
    this.refused.push({ tool, reason: code });
    return { status: 'refused', reason };
  }
}

/** A cut may leave half a mark of what was a whole word. */
function plainSummary(summary: string, tool: Tool): string {
  return foreignMarkup(summary) === null ? summary : `Use ${tool.name.replaceAll('_', ' ')}`;
}

/** What was read is data like the prompt's own and stands between the same marks; in it they would not be ours. */
export function replyText(reply: Reply, delimiter: string | undefined): string {
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

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return isRecord(value) ? Object.values(value).flatMap(textsIn) : [];
}

function sizeOf(params: Record<string, unknown>): number {
  return JSON.stringify(params).length;
}
