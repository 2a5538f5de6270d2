/** How many values of a label that people choose (agents, tools, tables) are counted apart. */
export const MOST_LABEL_VALUES = 200;

/** What the values beyond the limit are counted as. */
export const OTHER = 'other';

/** Keeps the first `most` values of a label that it is shown and answers `other` for all later ones: a scrape stays small. */
export function boundedLabel(most: number = MOST_LABEL_VALUES): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= most) return OTHER;
    seen.add(value);
    return value;
  };
}
