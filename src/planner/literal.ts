/** Values nested deeper than this are no arguments of a tool. */
const MAX_DEPTH = 32;

export type Literal = { value: unknown; end: number };

/**
 * Reads the JSON value or Python literal that begins at `at`; null where none does. Models write both: `{"a": null}` and
 * `{'a': None}`.
 */
export function readLiteral(text: string, at: number, depth: number = 0): Literal | null {
  const start = skipBlanks(text, at);
  const first = text[start];
  if (first === undefined || depth > MAX_DEPTH) return null;
  if (first === '"' || first === "'") return readString(text, start);
  if (first === '{') return readEntries(text, start, depth);
  if (first === '[' || first === '(') return readItems(text, start, depth);
  return readWord(text, start);
}

/** The first position from `at` on that is no white space. */
export function skipBlanks(text: string, at: number): number {
  let position = at;
  while (position < text.length && /\s/.test(text.charAt(position))) position += 1;
  return position;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

function readString(text: string, start: number): Literal | null {
  const quote = text[start];
  let value = '';
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === quote) return { value, end: at + 1 };
    if (char !== '\\') {
      value += char;
      continue;
    }
    at += 1;
    const escaped = text.charAt(at);
    const code =
      escaped === 'u' ? /^[0-9a-f]{4}/i.exec(text.slice(at + 1, at + 5))?.[0] : undefined;
    value +=
      code === undefined
        ? (ESCAPES[escaped] ?? escaped)
        : String.fromCharCode(Number.parseInt(code, 16));
    if (code !== undefined) at += 4;
  }
  return null;
}

function readEntries(text: string, start: number, depth: number): Literal | null {
  const entries: [string, unknown][] = [];
  let at = skipBlanks(text, start + 1);
  while (text[at] !== '}') {
    const key = text[at] === '"' || text[at] === "'" ? readString(text, at) : null;
    if (key === null || typeof key.value !== 'string') return null;
    const colon = skipBlanks(text, key.end);
    const value = text[colon] === ':' ? readLiteral(text, colon + 1, depth + 1) : null;
    if (value === null) return null;
    entries.push([key.value, value.value]);
    const next = afterItem(text, value.end, '}');
    if (next === null) return null;
    at = next;
  }
  // fromEntries makes own properties of every key, `__proto__` included.
  return { value: Object.fromEntries(entries), end: at + 1 };
}

function readItems(text: string, start: number, depth: number): Literal | null {
  const close = text[start] === '[' ? ']' : ')';
  const items: unknown[] = [];
  let at = skipBlanks(text, start + 1);
  while (text[at] !== close) {
    const item = readLiteral(text, at, depth + 1);
    const next = item === null ? null : afterItem(text, item.end, close);
    if (item === null || next === null) return null;
    items.push(item.value);
    at = next;
  }
  return { value: items, end: at + 1 };
}

/** Where the next item begins, or the closing bracket stands; null where there is neither a comma nor that bracket. */
export function afterItem(text: string, end: number, close: string): number | null {
  const at = skipBlanks(text, end);
  if (text[at] === close) return at;
  return text[at] === ',' ? skipBlanks(text, at + 1) : null;
}

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['null', null],
  ['None', null],
]);

function readWord(text: string, start: number): Literal | null {
  const word = /^[-+.\w]+/.exec(text.slice(start, start + 40))?.[0] ?? '';
  const end = start + word.length;
  if (WORDS.has(word)) return { value: WORDS.get(word), end };
  return /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(word) ? { value: Number(word), end } : null;
}
