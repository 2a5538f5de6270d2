/**
 * The one of `tools` that a name can mean; undefined where none or several can. Models write `functions.create_task`, `create-task`,
 * `create_task<|channel|>commentary` or a name with white space around it.
 */
export function toolMeant<Named extends { name: string }>(
  name: string,
  tools: readonly Named[],
): Named | undefined {
  const exact = tools.find((tool) => tool.name === name);
  if (exact !== undefined) return exact;
  const key = letters(bareName(name));
  const meant = key === '' ? [] : tools.filter((tool) => letters(tool.name) === key);
  return meant.length === 1 ? meant[0] : undefined;
}

const LONGEST = 200;

/** The name without what templates put around it: a namespace before, a number or a token behind. */
function bareName(name: string): string {
  const own =
    name
      .slice(0, LONGEST)
      .trim()
      .split(/<|[\s({[]/, 1)[0] ?? '';
  const plain = own.replace(/[:#]\d+$/, '').replace(/\.call$/, '');
  return plain.split(/::|[./:]/).at(-1) ?? '';
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]/g, '');
}
