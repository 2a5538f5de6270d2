import { RegExpParser, type AST } from '@eslint-community/regexpp';
import { parseAst } from 'vitest/node';

/** A regular expression as it stands in a file, or as a file composed it. */
export type Pattern = { path: string; source: string; flags: string };

/** The literals of regular expressions in a TypeScript file. */
export function regexLiterals(path: string, text: string): Pattern[] {
  const patterns: Pattern[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('regex' in node && isRegex(node.regex))
      patterns.push({ path, source: node.regex.pattern, flags: node.regex.flags });
    for (const inner of Object.values(node)) visit(inner);
  };
  visit(parseAst(text, { lang: 'ts' }));
  return patterns;
}

function isRegex(value: unknown): value is { pattern: string; flags: string } {
  return typeof value === 'object' && value !== null && 'pattern' in value && 'flags' in value;
}

/** Characters of which each class holds one: classes are tried with them. */
const SAMPLES = 'a0 \t\n.-/:_@"\'<>[](){}=%&#\\,;!?|~`^$*+Zxé中。\u00ad\u0000'.split('');

/** A repetition that may be this long is worth an attack; what is bounded below it costs a factor alone. */
const LONG = 500;

/**
 * Texts of about `length` characters that make a backtracking engine repeat itself, should the pattern let it: each long
 * repetition of the pattern, fed with what it takes, behind what stands before it, and ended by what nothing takes.
 */
export function attacksOn({ source, flags }: Pattern, length: number): string[] {
  const unicode = flags.includes('u');
  const pattern = new RegExpParser({ ecmaVersion: 2025 }).parsePattern(source, 0, source.length, {
    unicode,
    unicodeSets: flags.includes('v'),
  });
  const pumps = pumpsIn(pattern.alternatives, '', flags);
  const texts = pumps.flatMap(({ before, pump }) => {
    return [
      `${before}${filled(pump, length)}\u0000`,
      `${before}${filled(pump, length)}\n\n`,
      filled(`${before}${pump}`, length),
      `${filled(pump, length)}\u0000`,
      filled(`${before}${pump.repeat(20)}\n`, length),
    ];
  });
  return [...new Set(texts)];
}

function filled(unit: string, length: number): string {
  return unit.repeat(Math.ceil(length / unit.length));
}

type Pump = { before: string; pump: string };

function pumpsIn(alternatives: readonly AST.Alternative[], before: string, flags: string): Pump[] {
  return alternatives.flatMap(({ elements }) => {
    const pumps: Pump[] = [];
    let prefix = before;
    for (const element of elements) {
      pumps.push(...pumpsOf(element, prefix, flags));
      prefix += exampleOf(element, flags);
    }
    return pumps;
  });
}

function pumpsOf(element: AST.Element, before: string, flags: string): Pump[] {
  if ('alternatives' in element) return pumpsIn(element.alternatives, before, flags);
  if (element.type !== 'Quantifier') return [];
  const inner = pumpsOf(element.element, before, flags);
  if (element.max < LONG) return inner;
  const own = examplesOf(element.element, flags)
    .filter((pump) => pump !== '')
    .map((pump) => ({ before, pump }));
  return [...own, ...inner];
}

function exampleOf(element: AST.Element, flags: string): string {
  return examplesOf(element, flags)[0] ?? '';
}

function examplesOf(element: AST.Element, flags: string): string[] {
  switch (element.type) {
    case 'Character':
      return [String.fromCodePoint(element.value)];
    case 'CharacterSet':
    case 'CharacterClass':
    case 'ExpressionCharacterClass':
      return samplesOf(element.raw, flags);
    case 'Group':
    case 'CapturingGroup':
      return element.alternatives.map(({ elements }) =>
        elements.map((inner) => exampleOf(inner, flags)).join(''),
      );
    case 'Quantifier':
      return element.min === 0
        ? ['']
        : [exampleOf(element.element, flags).repeat(Math.min(element.min, 5))];
    default:
      return [''];
  }
}

function samplesOf(raw: string, flags: string): string[] {
  const one = new RegExp(`^${raw}$`, flags.replace(/[gymd]/g, ''));
  return SAMPLES.filter((character) => one.test(character)).slice(0, 12);
}
