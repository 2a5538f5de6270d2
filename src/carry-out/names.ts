type Words<Text extends string> = Text extends `${infer First} ${infer Rest}`
  ? First | Words<Rest>
  : Text;

/**
 * The words of some lines, as a list that TypeScript knows word by word: `names('title content',
 * 'color')`.
 */
export function names<const Lines extends readonly string[]>(
  ...lines: Lines
): readonly Words<Lines[number]>[] {
  return lines.flatMap((line) => line.split(' ')) as Words<Lines[number]>[];
}
