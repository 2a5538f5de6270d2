import type { AnswerReading } from './answer.ts';
import type { Adaptation } from '../planner/adaptation.ts';
import type { Usage } from '../planner/chat.ts';
import type { PromptCount } from '../planner/tokens.ts';
import { contextTaught, promptRoom } from './context.ts';
import type { Dialect } from './dialect.ts';
import { lessonOf, type SentForm } from './lessons.ts';
import type { Refusal } from './refusal.ts';

export { type Adaptation, UNADAPTED } from '../planner/adaptation.ts';

/** One request and what came of it. */
export type Attempt = {
  reading: AnswerReading;
  usage: Usage;
  counted: PromptCount;
  form: SentForm;
  /** what the server said where it refused the request; null where it did not */
  refusal: Refusal | null;
  isOllama: boolean;
  /** where a gateway says that the answer comes from; null for a server that is none */
  gatewayBase: string | null;
};

export type Next = { adaptation: Adaptation; again: boolean };

/** The way the next call is made, and whether it is worth making at once. */
export function adaptationAfter(attempt: Attempt, given: Adaptation): Next {
  const { reading, refusal } = attempt;
  if (reading.ok) return { adaptation: given, again: false };
  const { kind } = reading.error;
  if (refusal !== null && kind !== 'rate-limited' && kind !== 'unauthorized') {
    const learnt = lessonOf(given.dialect, attempt.form, refusal);
    if (learnt !== null) return afterLesson(given, learnt);
  }
  if (kind === 'context-overflow' || kind === 'context-truncated')
    return afterTooLong(attempt, given);
  if (kind === 'answer-truncated') {
    const full = afterFullContext(attempt, given);
    if (full !== null) return full;
  }
  return afterThoughts(attempt, given);
}

/** A refusal of every way to switch thoughts off says that they cannot be. */
function afterLesson(given: Adaptation, dialect: Dialect): Next {
  return dialect.thoughtsOff === 'never' && given.thoughts === 'off'
    ? { adaptation: { ...given, dialect, thoughts: 'stuck' }, again: false }
    : { adaptation: { ...given, dialect }, again: true };
}

/** Below this there is nothing left to leave out. */
const SHORTEST_PROMPT = 512;

/**
 * By as much as is needed, where that is told; else by half. A server that refuses has read nothing, so that a shorter prompt is worth
 * a second request; one that cut the prompt has answered at the price of all of it, and the next attempt is the run's own.
 */
function afterTooLong(
  { reading, refusal, usage, counted, form }: Attempt,
  given: Adaptation,
): Next {
  const isRefused = !reading.ok && reading.error.kind === 'context-overflow';
  const { asked, limit } = refusal?.numbers ?? { asked: null, limit: null };
  const context = isRefused ? limit : contextTaught(usage.promptTokens);
  const room = promptRoom({
    context,
    maxTokens: form.maxTokens,
    scale: scaleOf(asked, counted.total),
  });
  const half = isRefused
    ? counted.total / 2
    : Math.min(counted.total, usage.promptTokens ?? counted.total) / 2;
  const next = shorter(given, Math.min(room ?? half, counted.total * 0.95), isRefused);
  return context === null || context < SHORTEST_PROMPT
    ? next
    : { ...next, adaptation: { ...next.adaptation, dialect: { ...given.dialect, context } } };
}

/** What the server counted for a token of ours; somewhat more than one where it did not say. */
function scaleOf(asked: number | null, counted: number): number {
  return asked === null ? 1.3 : asked / Math.max(1, counted);
}

/** An answer that ended before its longest length shows how large the context is: prompt and answer filled it. */
function afterFullContext({ usage, counted, form }: Attempt, given: Adaptation): Next | null {
  const { promptTokens, completionTokens } = usage;
  if (promptTokens === null || completionTokens === null || promptTokens === 0) return null;
  if (completionTokens === 0 || completionTokens >= form.maxTokens - 8) return null;
  const context = promptTokens + completionTokens;
  const scale = promptTokens / Math.max(1, counted.total);
  const room = promptRoom({ context, maxTokens: form.maxTokens, scale });
  const next = shorter(given, Math.min(room ?? counted.total, counted.total * 0.95), false);
  return { ...next, adaptation: { ...next.adaptation, dialect: { ...given.dialect, context } } };
}

function shorter(given: Adaptation, limit: number, atOnce: boolean): Next {
  const promptLimit = Math.max(
    SHORTEST_PROMPT,
    Math.floor(Math.min(limit, given.promptLimit ?? limit)),
  );
  return {
    adaptation: { ...given, promptLimit },
    again: atOnce && promptLimit !== given.promptLimit,
  };
}

function afterThoughts({ reading }: Attempt, given: Adaptation): Next {
  if (reading.ok) return { adaptation: given, again: false };
  const { kind } = reading.error;
  if (given.thoughts === 'off' && (kind === 'empty-answer' || kind === 'bad-request'))
    return { adaptation: { ...given, thoughts: 'stuck' }, again: false };
  const thoughtItselfEmpty =
    kind === 'empty-answer' || (kind === 'answer-truncated' && reading.thought);
  if (given.thoughts === 'free' && thoughtItselfEmpty)
    return { adaptation: { ...given, thoughts: 'off' }, again: true };
  return { adaptation: given, again: false };
}
