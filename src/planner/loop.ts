import type { PlanStep } from '../missions/iteration.ts';
import { canonicalJson, MAX_ARGUMENTS, parseObject, readArguments } from './arguments.ts';
import type { ChatMessage, LlmAnswer, ToolCall } from './chat.ts';
import { cutText, stripThoughts, withoutControls } from './text.ts';
import type { Tool } from './tools/tool.ts';

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

/** A call that was recorded for the person to approve. */
export type RecordedStep = { toolName: string; params: Record<string, unknown>; summary: string; rationale?: string };

/**
 * A plan in the making, after each answer of the model; plain JSON, bounded, so that every round can be a checkpoint.
 * asking (round < 5, done false) -> done, when an answer has no calls or the rounds are used up.
 */
export type PlanState = {
  messages: ChatMessage[];
  steps: RecordedStep[];
  /** answers applied so far */
  round: number;
  /** tokens as the provider counted them; rounds in which it was silent add nothing */
  usage: { promptTokens: number; completionTokens: number };
  /** calls that were refused to the model */
  refusedCalls: number;
  done: boolean;
  /** the model's final words; null as long as there are none */
  answerText: string | null;
};

/** A new plan: nothing asked yet. */
export function startPlan({ system, user }: { system: string; user: string }): PlanState {
  return {
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
    steps: [],
    round: 0,
    usage: { promptTokens: 0, completionTokens: 0 },
    refusedCalls: 0,
    done: false,
    answerText: null,
  };
}

/**
 * The plan after one more answer. Calls of offered tools with valid arguments become steps, each acknowledged to the model as
 * recorded; the others are refused to it and leave no trace in the plan. Pure: `state` stays as it is, a done plan is returned
 * unchanged.
 */
export function applyAnswer(state: PlanState, answer: LlmAnswer, offered: readonly Tool[]): PlanState {
  if (state.done) return state;
  const round = state.round + 1;
  const content = cleanText(answer.content, MAX_CONTENT);
  const calls = boundedCalls(answer.toolCalls, round);
  const next: PlanState = {
    ...state,
    messages: [...state.messages, { role: 'assistant', content, toolCalls: calls }],
    steps: [...state.steps],
    round,
    usage: {
      promptTokens: state.usage.promptTokens + tokens(answer.usage.promptTokens),
      completionTokens: state.usage.completionTokens + tokens(answer.usage.completionTokens),
    },
    done: calls.length === 0 || round >= MAX_ROUNDS,
    answerText: content === '' ? state.answerText : content,
  };
  const seen = new Set(state.steps.map(({ toolName, params }) => stepKey(toolName, params)));
  for (const [index, call] of calls.entries()) {
    const verdict = judgeCall(call, answer.toolCalls[index]?.arguments ?? '', { offered, seen, steps: next.steps });
    if (verdict.ok) next.steps.push(withRationale(verdict.step, content));
    else next.refusedCalls += 1;
    next.messages.push({ role: 'tool', toolCallId: call.id, content: JSON.stringify(verdict.reply) });
  }
  return next;
}

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

/** What the iteration says about itself: the model's last words, or a plain count where it said nothing. At most 2,000 characters. */
export function planSummary({ answerText, steps }: PlanState): string {
  if (answerText !== null) return cutText(answerText, MAX_SUMMARY);
  if (steps.length === 0) return 'No steps were proposed.';
  return steps.length === 1 ? 'One step was proposed.' : `${steps.length} steps were proposed.`;
}

type Context = { offered: readonly Tool[]; seen: Set<string>; steps: readonly RecordedStep[] };
type Verdict =
  | { ok: true; step: RecordedStep; reply: { status: 'recorded'; note: string } }
  | { ok: false; reply: { status: 'refused'; reason: string } };

function judgeCall(call: ToolCall, sentArguments: string, { offered, seen, steps }: Context): Verdict {
  const tool = offered.find(({ name }) => name === call.name);
  if (tool === undefined) return refused('There is no tool of this name. Use the tools that you were given.');
  if (steps.length >= MAX_STEPS) return refused(`The plan is full: it has ${MAX_STEPS} steps. Finish with a summary.`);
  // Judge what the model sent, not the bounded text that stays in the history.
  const reading = readArguments(tool, sentArguments);
  if (!reading.ok) return refused(`${reading.problem} Nothing was recorded; correct the call or leave it.`);
  const key = stepKey(tool.name, reading.params);
  if (steps.reduce((sum, step) => sum + sizeOf(step.params), sizeOf(reading.params)) > MAX_PLAN_CHARACTERS) {
    return refused('The plan is full: its steps are too long in all. Finish with a summary.');
  }
  if (seen.has(key)) return refused('This very step is already recorded. Do not repeat it.');
  seen.add(key);
  const step = { toolName: tool.name, params: reading.params, summary: tool.summarise(reading.params) };
  return {
    ok: true,
    step,
    reply: { status: 'recorded', note: 'Recorded as a proposal; the person decides. Nothing was executed.' },
  };
}

function refused(reason: string): Verdict {
  return { ok: false, reply: { status: 'refused', reason } };
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
    const kept = call.arguments.length <= room && isObjectText(call.arguments) ? call.arguments.toWellFormed() : '{}';
    room -= kept.length;
    return { id, name: cutText(call.name, MAX_NAME, ''), arguments: kept };
  });
}

function isObjectText(text: string): boolean {
  return text.length <= MAX_ARGUMENTS && text.trim() !== '' && parseObject(text) !== null;
}

function sizeOf(params: Record<string, unknown>): number {
  return JSON.stringify(params).length;
}

function stepKey(toolName: string, params: Record<string, unknown>): string {
  return `${toolName} ${canonicalJson(params)}`;
}

function cleanText(text: string, max: number): string {
  return cutText(withoutControls(stripThoughts(cutText(text, max * 4))).trim(), max);
}

function tokens(count: number | null): number {
  return count !== null && Number.isSafeInteger(count) && count > 0 ? count : 0;
}
