import type { PromptCount } from '../planner/tokens.ts';
import { CONTEXT_SIZES, ollamaContextOf } from './context.ts';

/** No server in use has a smaller context: a prompt below it cannot have been cut, whatever the server counts. */
const SMALLEST_CONTEXT = 2_048;
/**
 * What is left of a prompt that was cut is nearly a context long. A count far below any context is believed only for prompts that
 * exceed the usual one of small machines: there are servers that count what their cache did not hold, or nothing in earnest.
 */
const SMALLEST_REST = 1_024;
const USUAL_CONTEXT = 4_096;
/** Tokenizers differ from our estimate by less than this; only a count below it means that something is missing. */
const FAR_BELOW = 0.6;
/** The same where this model's tokenizer is known by what it counted before. */
const BELOW_KNOWN = 0.85;
/** The same where a usual context lies between the count and the estimate. */
const BELOW_A_CONTEXT = 0.75;
/** What is known when a prompt is compared with its count. */
export type CountKnowledge = {
  /** tokens of the model for one of ours, as it counted earlier prompts; null where it counted none */
  scale?: number | null;
  /** the prompt of the round before: it was shorter, so its count must be too */
  before?: { counted: number; reported: number } | null;
};

/**
 * Whether a server that counted `reported` tokens has cut the prompt: Ollama drops its beginning without a word. Where nothing is known of
 * the tokenizer, tools are left out of the comparison, because the templates of some models do not show them.
 */
export function isTruncated(
  counted: PromptCount,
  reported: number | null,
  { scale = null, before = null }: CountKnowledge = {},
): boolean {
  if (reported === null || reported <= 0) return false;
  if (scale !== null && counted.total * scale >= SMALLEST_CONTEXT && reported >= SMALLEST_REST / 2)
    return reported < counted.total * scale * BELOW_KNOWN;
  if (before !== null && counted.total > before.counted && reported < before.reported * 0.98)
    return true;
  const suspicious = reported < SMALLEST_REST ? USUAL_CONTEXT : SMALLEST_CONTEXT;
  if (counted.messages >= suspicious && reported < counted.messages * FAR_BELOW) return true;
  if (CONTEXT_SIZES.includes(reported) && reported < counted.total) return true;
  return isHalfOfContext(counted, reported) || isBelowContext(counted, reported);
}

/** Ollama's own number of tokens that it keeps. */
function isHalfOfContext({ total }: PromptCount, reported: number): boolean {
  const context = ollamaContextOf(reported);
  return context !== null && total > context * FAR_BELOW && reported < total * BELOW_A_CONTEXT;
}

/** A count below a usual context that the whole prompt exceeds: the oldest messages were left out until the rest fitted. */
function isBelowContext({ total }: PromptCount, reported: number): boolean {
  const context = CONTEXT_SIZES.find((size) => size >= reported);
  if (context === undefined || total < context || reported < context / 2) return false;
  return reported < total * BELOW_A_CONTEXT;
}
