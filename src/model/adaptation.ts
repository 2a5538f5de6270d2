import type { AnswerReading } from './answer.ts';
import type { Usage } from '../planner/chat.ts';
import type { PromptCount } from '../planner/tokens.ts';

/**
 * What the calls of a run have found out about its model, so that no call pays twice for the same lesson; plain JSON, part of the
 * plan. `thoughts`: 'off' asks the model not to think; 'stuck' means that asking did not help. `promptLimit`: longest prompt in
 * our own tokens; null as long as none was too long.
 */
export type Adaptation = { thoughts: 'free' | 'off' | 'stuck'; promptLimit: number | null };

/** Nothing is known. */
export const UNADAPTED: Adaptation = { thoughts: 'free', promptLimit: null };

/** One request and what came of it. */
export type Attempt = {
  reading: AnswerReading;
  usage: Usage;
  counted: PromptCount;
  isOllama: boolean;
};

/** The way the next call is made, and whether it is worth making at once. */
export function adaptationAfter(
  { reading, usage, counted }: Attempt,
  given: Adaptation,
): { adaptation: Adaptation; again: boolean } {
  if (reading.ok) return { adaptation: given, again: false };
  const { kind } = reading.error;
  if (kind === 'context-overflow') return shorter(given, counted.total / 2, true);
  // The server has answered already, at the price of the whole prompt. The next attempt is the run's own, after its back-off.
  if (kind === 'context-truncated')
    return shorter(given, (usage.promptTokens ?? counted.total) / 2, false);
  if (given.thoughts === 'off' && (kind === 'empty-answer' || kind === 'bad-request')) {
    return { adaptation: { ...given, thoughts: 'stuck' }, again: false };
  }
  const thoughtItselfEmpty =
    kind === 'empty-answer' || (kind === 'answer-truncated' && reading.thought);
  if (given.thoughts === 'free' && thoughtItselfEmpty)
    return { adaptation: { ...given, thoughts: 'off' }, again: true };
  return { adaptation: given, again: false };
}

/** Below this there is nothing left to leave out. */
const SHORTEST_PROMPT = 512;

function shorter(
  given: Adaptation,
  limit: number,
  atOnce: boolean,
): { adaptation: Adaptation; again: boolean } {
  const promptLimit = Math.max(
    SHORTEST_PROMPT,
    Math.floor(Math.min(limit, given.promptLimit ?? limit)),
  );
  return {
    adaptation: { ...given, promptLimit },
    again: atOnce && promptLimit !== given.promptLimit,
  };
}
