import type { PromptCount } from '../planner/tokens.ts';

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
/** Contexts people set. A count that is exactly one of them is the context's size and not the prompt's. */
const CONTEXT_SIZES: ReadonlySet<number> = new Set(
  Array.from({ length: 8 }, (_, power) => 2_048 * 2 ** power),
);

/**
 * Whether a server that counted `reported` tokens has cut the prompt: Ollama drops its beginning without a word. Tools are left
 * out of the comparison, because the templates of some models do not show them.
 */
export function isTruncated(counted: PromptCount, reported: number | null): boolean {
  if (reported === null || reported <= 0) return false;
  const suspicious = reported < SMALLEST_REST ? USUAL_CONTEXT : SMALLEST_CONTEXT;
  if (counted.messages >= suspicious && reported < counted.messages * FAR_BELOW) return true;
  return CONTEXT_SIZES.has(reported) && reported < counted.total;
}
