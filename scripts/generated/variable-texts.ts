import {
  GROUPS,
  namesReadBy,
  SECRET_NAMES,
  type Variable,
  variable,
  type VariableName,
  VARIABLE_NAMES,
} from '../../src/config/variables.ts';

type Worker = 'mana-ai' | 'mana-auth';

/** A file's text from its present one: what follows from the table of variables is written anew. */
export const GENERATED: Readonly<Record<string, (present: string) => string>> = {
  'workerd.capnp': (present) =>
    WORKERS.reduce(
      (text, worker) =>
        withSection(
          withSection(text, worker, namesReadBy(worker).map(binding)),
          `${worker}-egress`,
          namesReadBy(worker)
            .filter((name) => variable(name).egress === true)
            .map(binding),
        ),
      present,
    ),
  'compose.yml': (present) => WORKERS.reduce(withPassed, present),
  '.env.example': () => `${ENV_HEAD}${GROUPS.flatMap(examplesOf).join('')}`,
  'docs/configure.md': (present) =>
    withSection(present, 'table', [
      '',
      ...GROUPS.filter((group) => group !== 'each start').flatMap(documentationOf),
    ]),
};

const WORKERS: readonly Worker[] = ['mana-ai', 'mana-auth'];

const MARK = /(?:#|<!--) npm run variables: (\S+)/;
const MARK_OF_END = /(?:#|<!--) end of variables/;

/** The lines between a section's marks, indented as its first mark is, replaced. */
function withSection(text: string, id: string, lines: readonly string[]): string {
  const all = text.split('\n');
  const begin = all.findIndex((line) => MARK.exec(line)?.[1] === id);
  const end = all.findIndex((line, index) => index > begin && MARK_OF_END.test(line));
  if (begin === -1 || end === -1) throw new Error(`the marks of section ${id} are missing`);
  const indent = /^ */.exec(all[begin] ?? '')?.[0] ?? '';
  const indented = lines.map((line) => (line === '' ? '' : `${indent}${line}`));
  return all.toSpliced(begin + 1, end - begin - 1, ...indented).join('\n');
}

function binding(name: VariableName): string {
  return `(name = "${name}", fromEnvironment = "${name}"),`;
}

/** Key sets stand at http://mana-auth:3001 there, which compose.yml says itself. */
const NOT_PASSED: readonly VariableName[] = ['MANA_AUTH_PORT'];

/**
 * A variable that compose passes on as it is given; one with a value of compose's own looks else.
 */
const PASSED = /^ {6}(\w+): \$\{\1:-\}$/;

/**
 * The variables of a service that are passed on as given, behind those that are written by hand.
 */
function withPassed(compose: string, worker: Worker): string {
  const lines = compose.split('\n');
  const service = lines.indexOf(`  ${worker}:`);
  const begin = lines.indexOf('    environment:', service) + 1;
  const end = lines.findIndex((line, index) => index >= begin && !line.startsWith('      '));
  const byHand = lines.slice(begin, end).filter((line) => !PASSED.test(line));
  const names = byHand.map((line) => line.trim().split(':')[0] ?? '').concat(NOT_PASSED);
  const passed = namesReadBy(worker)
    .filter((name) => !names.includes(name) && variable(name).group !== 'each start')
    .map((name) => `      ${name}: \${${name}:-}`);
  return lines.toSpliced(begin, end - begin, ...byHand, ...passed).join('\n');
}

const ENV_HEAD = `# Copy to .env. The npm commands and compose read it; what the environment sets wins, and empty
# means unset. \`npm run keys\` fills in the keys. Keep the file to yourself: chmod 600 .env
# Written by \`npm run variables\`, which says more about each variable in docs/configure.md.
`;

function examplesOf(group: Variable['group']): string[] {
  const names = VARIABLE_NAMES.filter(
    (name) =>
      variable(name).group === group &&
      group !== 'each start' &&
      variable(name).readers.some((reader) => reader !== 'mana-edge'),
  );
  if (names.length === 0) return [];
  return [`\n# ---- ${group}\n`, ...names.map(exampleOf)];
}

function exampleOf(name: VariableName): string {
  const { meaning } = variable(name);
  const lines = wrapped(`${meaning} ${unsetOf(name)}`, 98).map((line) => `# ${line}\n`);
  return `${lines.join('')}${name}=\n`;
}

function documentationOf(group: Variable['group']): string[] {
  const names = VARIABLE_NAMES.filter((name) => variable(name).group === group);
  return [`### ${group}`, '', ...names.flatMap(documentationOfOne), ''];
}

function documentationOfOne(name: VariableName): string[] {
  const { meaning, readers } = variable(name);
  const secret = SECRET_NAMES.includes(name) ? ` A secret: \`${name}_FILE\` may name a file.` : '';
  const text = `\`${name}\`: ${meaning} ${unsetOf(name)} Read by ${readers.join(', ')}.${secret}`;
  return wrapped(text, 98).map((line, index) => `${index === 0 ? '- ' : '  '}${line}`);
}

function unsetOf(name: VariableName): string {
  const { default: fallback, unset = '' } = variable(name);
  return fallback === null ? `Unset: ${unset}.` : `Default: \`${fallback}\`.`;
}

/** What Markdown reads as the beginning of a list or a heading where it begins a line. */
const MARKER = /^(?:\d+[.)]|[-+*#>]+)$/;

/** Words in lines of at most `width` characters; what stands in backticks is not parted. */
function wrapped(text: string, width: number): string[] {
  const lines: string[][] = [[]];
  for (const word of text.match(/(?:`[^`]*`|[^\s`])+/g) ?? []) {
    const last = lines.at(-1) ?? [];
    const fits = [...last, word].join(' ').length <= width;
    if (fits) last.push(word);
    else lines.push(MARKER.test(word) ? [...last.splice(-1), word] : [word]);
  }
  return lines.map((words) => words.join(' '));
}
