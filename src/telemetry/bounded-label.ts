/** How many values of a label that people choose (agents, tools, tables) are counted apart. */
export const MOST_LABEL_VALUES = 200;

/** Agents, tools and tables are named by people's records, which may hold names of any length. */
const LONGEST_LABEL = 128;

/** What the values beyond the limits are counted as. */
export const OTHER = 'other';

/**
 * Keeps the first `most` values of a label that it is shown and answers `other` for all later ones
 * and for overlong ones: a scrape stays small.
 */
export function boundedLabel(most: number = MOST_LABEL_VALUES): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= most || value.length > LONGEST_LABEL) return OTHER;
    seen.add(value);
    return value;
  };
}
