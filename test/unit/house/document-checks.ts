import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path/posix';
import { COMMANDS } from '../../../src/cli/main.ts';
import { readProjectFile } from './source-files.ts';

/** Every document of the project, by its path from the project's root. */
export const DOCUMENTS: readonly string[] = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const LINK = /(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)/gm;

/** Links of a document that lead nowhere: to no file, or to no heading of one. Other hosts are not asked. */
export function brokenLinks(path: string, text: string): string[] {
  const targets = Array.from(withoutCode(text).matchAll(LINK), ([, link, image, reference]) =>
    String(link ?? image ?? reference),
  );
  return targets.filter(
    (target) => !/^[a-z]+:/.test(target) && !leadsSomewhere(path, text, target),
  );
}

function leadsSomewhere(path: string, text: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  if (file === '') return anchorsOf(text).includes(anchor ?? '');
  const place = normalize(join(dirname(path), decodeURIComponent(file)));
  if (place.startsWith('..') || !existsSync(place)) return false;
  if (anchor === undefined) return true;
  return !statSync(place).isDirectory() && anchorsOf(readProjectFile(place)).includes(anchor);
}

/** The anchors that GitHub gives to the headings of a text. */
export function anchorsOf(text: string): string[] {
  const counts = new Map<string, number>();
  return Array.from(withoutCode(text).matchAll(/^#{1,6} +(.+?) *#*$/gm), ([, heading = '']) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

/** What stands in blocks of code names no links; single backticks stay, since headings have them. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/<!--[\s\S]*?-->/g, '');
}

const SHARED_OPTIONS = ['json', 'url', 'auth-url', 'token-file', 'key-file', 'help'];

/** Commands in blocks of code, and in backticks, that there are not: each with what is wrong. */
export function wrongCommands(text: string): string[] {
  const lines = [
    ...Array.from(text.matchAll(/^```\w*\n([\s\S]*?)^```/gm), ([, block = '']) =>
      block.split('\n'),
    ),
    Array.from(text.matchAll(/(?<!`)`([^`\n]+)`(?!`)/g), ([, inline = '']) => inline),
  ].flat();
  return lines
    .flatMap((line) => line.replace(/ {2,}#.*$/, '').split(/ (?:&&|\|\||\|) /))
    .flatMap((command) => wrongNpm(command) ?? wrongCli(command) ?? wrongNode(command) ?? []);
}

function wrongNpm(command: string): string | null {
  const [, name = '', rest = ''] = /\bnpm run (?:--silent )?([\w:-]+)(.*)$/.exec(command) ?? [];
  if (name === '') return null;
  const { scripts } = JSON.parse(readProjectFile('package.json')) as {
    scripts: Record<string, string>;
  };
  const script = scripts[name];
  if (script === undefined) return `${name} is no npm command`;
  const [, file] = /(scripts\/[\w./-]+\.ts)/.exec(script) ?? [];
  const [, flags = ''] = / -- (.*)$/.exec(rest) ?? [];
  const unknown =
    file === undefined ? undefined : flagsIn(flags).find((flag) => !takes(file, flag));
  return unknown === undefined ? null : `npm run ${name} knows no --${unknown}`;
}

/** A command names its flags in its own file, as text or as the option of a parser. */
function takes(file: string, flag: string): boolean {
  const source = readProjectFile(file);
  return source.includes(`--${flag}`) || new RegExp(`['"]?${flag}['"]?: `).test(source);
}

function wrongCli(command: string): string | null {
  const [, rest = ''] = /\bnpx mana-edge\b(.*)$/.exec(command) ?? [];
  const words = rest.trim().split(/\s+/);
  const [first = ''] = words;
  // The bare name, and the name of a group of commands.
  if (first === '' || first.startsWith('-')) return null;
  const known = COMMANDS.find(
    ({ name }) => name === words.slice(0, name.split(' ').length).join(' '),
  );
  if (known === undefined) {
    const isGroup = words.length === 1 && COMMANDS.some(({ name }) => name.startsWith(`${first} `));
    return isGroup ? null : `${words.slice(0, 2).join(' ')} is no command of mana-edge`;
  }
  const options = [...SHARED_OPTIONS, ...Object.keys(known.options ?? {})];
  const unknown = flagsIn(rest).find((flag) => !options.includes(flag));
  return unknown === undefined ? null : `mana-edge ${known.name} knows no --${unknown}`;
}

function wrongNode(command: string): string | null {
  const [, file] = /\bnode (scripts\/[\w./-]+)/.exec(command) ?? [];
  return file === undefined || existsSync(file) ? null : `${file} is not there`;
}

function flagsIn(words: string): string[] {
  return Array.from(words.matchAll(/(?:^|\s)--([a-z][\w-]*)/g), ([, flag = '']) => flag);
}
