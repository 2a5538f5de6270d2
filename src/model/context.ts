/** Tokens of an answer that has room for a plan's calls. */
const LEAST_ANSWER = 512;
/** What a template adds that nobody counts. */
const MARGIN = 0.95;

/**
 * The context that a count of prompt tokens gives away where a prompt was cut: Ollama keeps `ctx - floor((ctx - 4) / 2)` of it, older
 * servers all that fits. The smallest usual size above the count where neither is meant; null where nothing was counted.
 */
export function contextTaught(reported: number | null): number | null {
  if (reported === null || reported <= 0) return null;
  return ollamaContextOf(reported) ?? CONTEXT_SIZES.find((size) => size >= reported) ?? reported;
}

/** Contexts people set. */
export const CONTEXT_SIZES: readonly number[] = [
  2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144,
];

/** The context of which Ollama kept exactly so many tokens, 2 more than its half; null where there is none. */
export function ollamaContextOf(reported: number): number | null {
  const context = 2 * (reported - 2);
  return context >= 1_024 && context % 1_024 === 0 ? context : null;
}

/**
 * How many tokens of ours a prompt may have: what the answer leaves of the context. The answer gives way first, down to a quarter of the
 * context. `scale`: tokens of the model for one of ours. null where the context is not known.
 */
export function promptRoom({
  context,
  maxTokens,
  scale,
}: {
  context: number | null;
  maxTokens: number;
  scale: number;
}): number | null {
  if (context === null) return null;
  const answer = Math.min(maxTokens, Math.floor(context / 4));
  return Math.max(1, (context * MARGIN - answer) / scale);
}

/**
 * The longest answer beside a prompt of so many of the model's tokens: what was asked for, or what is left of the context, but never less
 * than a plan needs.
 */
export function answerRoom({
  context,
  promptTokens,
  maxTokens,
}: {
  context: number | null;
  promptTokens: number;
  maxTokens: number;
}): number {
  if (context === null) return maxTokens;
  const left = Math.floor(context * MARGIN - promptTokens);
  return Math.max(Math.min(maxTokens, LEAST_ANSWER), Math.min(maxTokens, left));
}
