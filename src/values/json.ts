import { isRecord } from './fields.ts';

/**
 * JSON as others wrote it. A number that a JavaScript number does not hold exactly stays the text that it was: it becomes a raw value,
 * which `JSON.stringify` writes as it came. Everything else is as `JSON.parse` gives it.
 * @see https://tc39.es/proposal-json-parse-with-source/
 */

type SourceContext = { source?: string };

/** What the language has and its type declarations do not have yet. */
const json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: SourceContext) => unknown,
  ): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};

/**
 * Finds text that may hold such a number: 16 digits from 9 on, or a longer run of digits and a point. Numbers with fewer digits are
 * exact, or print as they were read. Parsing with a reviver is several times slower, and nearly no record needs it.
 */
const MAYBE_INEXACT = /[\d.]{17}|(?<![\d.])9\d{15}/;

/**
 * Parses JSON text without rounding numbers.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  return MAYBE_INEXACT.test(text) ? json.parse(text, keepInexact) : (JSON.parse(text) as unknown);
}

/** True for a number that was kept as text. */
export function isRawNumber(value: unknown): value is { readonly rawJSON: string } {
  return json.isRawJSON(value);
}

/** The value with every raw number rounded to a JavaScript number, for those who only look at it; what holds none is returned as it is. */
export function withPlainNumbers<T>(value: T): T {
  return plain(value) as T;
}

function keepInexact(_key: string, value: unknown, { source }: SourceContext): unknown {
  if (typeof value !== 'number' || source === undefined || isExact(value, source)) return value;
  return json.rawJSON(source);
}

function isExact(value: number, source: string): boolean {
  return Number.isFinite(value) && decimalOf(String(value)) === decimalOf(source);
}

/** The same text for numerals of equal value: sign, digits without zeros at either end, and the power of ten of the last one. */
function decimalOf(numeral: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(numeral) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = withoutTrailingZeros(digits);
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}

/** A loop: a regular expression would try again at every zero of a long numeral. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}

function plain(value: unknown): unknown {
  if (isRawNumber(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return unchangedOr(value, value.map(plain));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([name, part]) => [name, plain(part)] as const);
  return entries.every(([name, part]) => part === value[name])
    ? value
    : Object.fromEntries(entries);
}

function unchangedOr(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  return after.every((part, index) => part === before[index]) ? before : after;
}
