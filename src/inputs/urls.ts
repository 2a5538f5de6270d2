import {
  holdsEmbed,
  isPictureName,
  isTargetName,
  linkStart,
  linkTarget,
  splitScheme,
} from './link-places.ts';
import { viewsOf } from './text-views.ts';
import { endsHost } from './top-level-domains.ts';

/**
 * URLs in text that a person or a model wrote: whatever an app could show as a link, load as an
 * image or hand to the system. If a step holds a URL that stands in no input and not in the
 * mission, it may carry away what the model read, so the step is refused. Pure, and linear in the
 * text.
 *
 * Finding errs on the side of too much: a name such as `readme.md` counts, since apps link it. Two
 * texts name the same URL only if a browser would request the same. Three differences do not count:
 * http or https, what `new URL` makes equal (the host's case, IDNA, dots and slashes in disguise,
 * numbers as addresses), and escapes of letters that need none. Query and fragment count to the
 * last character.
 */

/** A URL in a text; `text` is as it was found. */
type Found = { text: string; kind: 'url' | 'email' };

/** A text of a JSON value; `name`: of the property whose value it is, where it is one. */
type Text = { text: string; name: string | null };

/** These schemes run or show what the URL itself holds, so no input makes them acceptable. */
const NEVER_KNOWN = /^(?:javascript|vbscript|data|blob):/i;

/**
 * The URLs of a text, or of all texts in a JSON value, in the form in which they are compared: the
 * `known` of `unknownUrls`. Each is there as it stands, without the punctuation that ends a
 * sentence, and cut where a script without spaces goes on after it.
 */
export function urlsIn(value: unknown): Set<string> {
  const known = new Set<string>();
  for (const found of allIn(value)) {
    for (const key of keysOf(found)) known.add(key);
    const cut = untilWidePunctuation(found.text);
    if (cut !== found.text) for (const key of keysOf({ ...found, text: cut })) known.add(key);
  }
  return known;
}

/**
 * The URLs in `value`, a step's params or any other JSON, that are not known: in texts and in names
 * of properties, at any depth.
 * @param known the union of `urlsIn` over all that the person gave: mission and inputs
 * @returns each as it was found, once; they may hold what was read, so they belong in no log
 */
export function unknownUrls(value: unknown, known: ReadonlySet<string>): string[] {
  const unknown = new Set<string>();
  for (const found of allIn(value)) {
    if (NEVER_KNOWN.test(found.text) || !keysOf(found).some((key) => known.has(key)))
      unknown.add(found.text);
  }
  return [...unknown];
}

/** Whether an app would load something of `value` by itself: a picture, a frame, an embedded note, a property of a picture. */
export function embedsIn(value: unknown): boolean {
  return textsOf(value).some(
    ({ text, name }) =>
      (name !== null && isPictureName(name)) || viewsOf(text).some((view) => holdsEmbed(view)),
  );
}

function allIn(value: unknown): Found[] {
  const found = new Map<string, Found>();
  for (const { text, name } of textsOf(value)) {
    for (const view of viewsOf(text)) {
      for (const one of findAll(view)) found.set(`${one.kind} ${one.text}`, one);
      const target = name === null ? null : wholeTarget(view, name);
      if (target !== null) found.set(`url ${target}`, { text: target, kind: 'url' });
    }
  }
  return [...found.values()];
}

/** `{ url: 'anything:…' }`: what stands there is followed, whatever its scheme. */
function wholeTarget(text: string, name: string): string | null {
  if (!isTargetName(name)) return null;
  const trimmed = text.trim().replace(/[\t\r\n]/g, '');
  return /^(?:[a-z][a-z\d+.-]{0,60}:|[\\/]{2})[^\s]/i.test(trimmed)
    ? trimmed.slice(0, endOf(trimmed, 0, 1))
    : null;
}

function textsOf(value: unknown): Text[] {
  const texts: Text[] = [];
  const seen = new Set<object>();
  const waiting: { value: unknown; name: string | null }[] = [{ value, name: null }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value: one, name } = next;
    if (typeof one === 'string') texts.push({ text: one, name });
    if (typeof one !== 'object' || one === null || seen.has(one)) continue;
    seen.add(one);
    for (const [key, inner] of Object.entries(one)) {
      if (!Array.isArray(one)) texts.push({ text: key, name: null });
      waiting.push({ value: inner, name: Array.isArray(one) ? name : key });
    }
  }
  return texts;
}

// ---- Finding --------------------------------------------------------------------------------------------------------

/** What no URL holds; it ends where one of these stands. */
const BREAK = /[\s<>"`|]/;

const EMAIL =
  /(?<![\p{L}\p{N}._%+'-])[\p{L}\p{N}._%+'-]{1,256}@(?:[\p{L}\p{N}-]{1,63}[.。]){1,32}[\p{L}\p{N}-]{2,63}/gu;

const HOST_RUN = /[\p{L}\p{M}\p{N}_.。-]+/gu;

/** `[2001:db8::1]`, as a host without a scheme. */
const BRACKETED = /\[[\da-f:.]{2,45}(?:%[\w.-]{1,32})?\](?=[:\\/?#])/giu;

/** Each character is taken by one link at most: what is found ends before the next search begins. */
function findAll(text: string): Found[] {
  const found: Found[] = [];
  const rest: string[] = [];
  const start = linkStart();
  let from = 0;
  for (let match = start.exec(text); match !== null; match = start.exec(text)) {
    const end = endOf(text, match.index, match.index + match[0].length);
    rest.push(text.slice(from, match.index));
    found.push({ text: text.slice(match.index, end), kind: 'url' });
    from = Math.max(end, match.index + 1);
    start.lastIndex = from;
  }
  rest.push(text.slice(from));
  found.push(...splitSchemes(text), ...targets(text));
  for (const part of rest) {
    for (const [email] of part.matchAll(EMAIL)) found.push({ text: email, kind: 'email' });
    found.push(...bareHosts(part.replace(EMAIL, ' ')));
  }
  return found;
}

function splitSchemes(text: string): Found[] {
  return Array.from(text.matchAll(splitScheme()), ([split]) => split)
    .filter((split) => /[\t\r\n]/.test(split))
    .map((split) => ({ text: split.replace(/[\t\r\n]/g, ''), kind: 'url' }));
}

/** Any scheme in the place of a target: `[x](any:thing)`, `<a href="any:thing">`. */
function targets(text: string): Found[] {
  const found: Found[] = [];
  const target = linkTarget();
  for (let match = target.exec(text); match !== null; match = target.exec(text)) {
    const scheme = match[1] ?? '';
    const after = match.index + match[0].length;
    const begin = after - scheme.length;
    const end = endOf(text, begin, after);
    found.push({
      text: `${scheme.replace(/[\t\r\n]/g, '')}${text.slice(after, end)}`,
      kind: 'url',
    });
    target.lastIndex = Math.max(end, begin + 1);
  }
  return found;
}

/** Where a URL ends that begins at `start`: at a break, or at the bracket that closes what stands before it (markdown). */
function endOf(text: string, start: number, after: number): number {
  const opener = text[start - 1];
  const closer = opener === '(' ? ')' : opener === '[' ? ']' : null;
  let depth = 0;
  let at = after;
  for (; at < text.length && !BREAK.test(text[at] ?? ''); at += 1) {
    if (text[at] === opener && closer !== null) depth += 1;
    if (text[at] !== closer) continue;
    // Plain linkers go on where text follows the bracket directly; then so does the URL.
    if (depth === 0 && !/[\p{L}\p{N}/?#&=%_~@+$-]/u.test(text[at + 1] ?? '')) return at;
    depth -= 1;
  }
  return at;
}

function bareHosts(text: string): Found[] {
  const found: Found[] = [];
  let taken = 0;
  for (const match of text.matchAll(BRACKETED)) {
    if (match.index < taken) continue;
    taken = endOf(text, match.index, match.index + match[0].length);
    found.push({ text: text.slice(match.index, taken), kind: 'url' });
  }
  taken = 0;
  for (const match of text.matchAll(HOST_RUN)) {
    // It stands in the path of a host that was found before.
    if (match.index < taken) continue;
    const end = match.index + match[0].length;
    const hasPath = isFollowedByPath(text, end);
    for (const { at, host } of hostsIn(match[0], hasPath)) {
      const isLast = at + host.length === match[0].length;
      // Looked for behind a host alone: the way to the end is as long as the text.
      if (isLast) taken = hasPath ? endOf(text, match.index, end) : end;
      const until = isLast ? taken : match.index + at + host.length;
      found.push({ text: text.slice(match.index + at, until), kind: 'url' });
    }
  }
  return found;
}

function isFollowedByPath(text: string, end: number): boolean {
  return /^(?:(?::\d{1,5})?[\\/?#]|:\d{1,5})/.test(text.slice(end, end + 8));
}

/** Names in a run of letters and dots: `Then...evil.example` holds one. */
function hostsIn(run: string, hasTail: boolean): { at: number; host: string }[] {
  const names: { at: number; labels: string[]; end: number }[] = [];
  for (const { 0: label, index } of run.matchAll(/[^.。]+/g)) {
    const name = names.at(-1);
    const end = index + label.length;
    if (name === undefined || index > name.end + 1) {
      names.push({ at: index, labels: [label], end });
      continue;
    }
    name.labels.push(label);
    name.end = end;
  }
  return names
    .filter(({ labels, end }) => isHost(labels, hasTail && end === run.length))
    .map(({ at, end }) => ({ at, host: run.slice(at, end) }));
}

function isHost(labels: readonly string[], hasTail: boolean): boolean {
  const last = labels.at(-1) ?? '';
  if (isHexAddress(labels) && (hasTail || labels.length > 1)) return true;
  if (labels.length < 2) return false;
  if (hasTail && (/^(?=.*\p{L})[\p{L}\p{M}\p{N}-]{2,}$/u.test(last) || isAddress(labels)))
    return true;
  return labels.some((label, index) => index > 0 && endsHost(label, labels.length));
}

function isAddress(labels: readonly string[]): boolean {
  return (
    labels.length === 4 && labels.every((label) => /^\d{1,4}$/.test(label) && Number(label) <= 7777)
  );
}

/** Numbers as an address, one of them hexadecimal: `0x7f000001`, `0x7f.0.0.1`. */
function isHexAddress(labels: readonly string[]): boolean {
  return (
    labels.length <= 4 &&
    labels.every((label) => /^(?:0x[\da-f]{1,16}|\d{1,10})$/i.test(label)) &&
    labels.some((label) => /^0x[\da-f]/i.test(label))
  );
}

// ---- Comparing ------------------------------------------------------------------------------------------------------

/** May end a sentence rather than a URL. */
const CLOSING = /[.,:;!?)\]}'*_~…。，、；：！？）】」』》〉”’»]$/u;

/** A few only: a long row of them could say something. */
const MOST_CLOSING = 3;

const WIDE_PUNCTUATION = /[。，、；：！？）】」』》〉]/u;

function untilWidePunctuation(text: string): string {
  const at = text.search(WIDE_PUNCTUATION);
  // Before the first slash it may be a dot of the host.
  return at <= text.search(/[^:\\/][\\/]/) ? text : text.slice(0, at);
}

/** Of the text as it stands, and of what is left without each of the last characters that may not belong to it. */
function keysOf({ text, kind }: Found): string[] {
  if (kind === 'email') return [emailKey(text)];
  const keys = [urlKey(text)];
  for (let rest = text; keys.length <= MOST_CLOSING && CLOSING.test(rest);) {
    rest = rest.slice(0, -1);
    keys.push(urlKey(rest));
  }
  return keys;
}

function emailKey(text: string): string {
  const at = text.lastIndexOf('@');
  return `mailto:${text.slice(0, at)}@${text
    .slice(at + 1)
    .replaceAll('。', '.')
    .toLowerCase()}`;
}

const HAS_SCHEME = /^[a-z][a-z\d+.-]*:(?!\d)/i;

function urlKey(text: string): string {
  const absolute = /^[\\/]{2}/.test(text)
    ? `https:${text}`
    : HAS_SCHEME.test(text)
      ? text
      : `https://${text}`;
  // A text that is no URL to a browser may be one to somebody else.
  if (!URL.canParse(absolute)) return `?${text}`;
  const url = new URL(absolute);
  if (url.protocol === 'mailto:' && /^[^?]+$/.test(url.href)) return emailKey(url.pathname);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return url.href;
  const user = url.username === '' && url.password === '' ? '' : `${url.username}:${url.password}@`;
  const host = `${url.hostname.replace(/\.$/, '')}${url.port === '' ? '' : `:${url.port}`}`;
  return `//${user}${host}${plainEscapes(`${url.pathname}${url.search}${url.hash}`)}`;
}

/** RFC 3986, section 6.2.2: escapes of unreserved characters mean the character, and hexadecimal digits are upper case. */
function plainEscapes(text: string): string {
  return text.replace(/%([\da-f]{2})/gi, (whole, hex: string) => {
    const character = String.fromCharCode(parseInt(hex, 16));
    return /[\w.~-]/.test(character) ? character : whole.toUpperCase();
  });
}
