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

/** These schemes run or show what the URL itself holds, so no input makes them acceptable. */
const NEVER_KNOWN = /^(?:javascript|vbscript|data|blob):/i;

/**
 * The URLs of a text, or of all texts in a JSON value, in the form in which they are compared. They
 * are the `known` of `unknownUrls`. Each URL is added as it stands, without the punctuation that
 * ends a sentence, and cut where a script without spaces goes on after it.
 */
export function urlsIn(value: unknown): Set<string> {
  const known = new Set<string>();
  for (const found of allIn(value)) {
    for (const key of [
      ...keysOf(found),
      ...keysOf({ ...found, text: untilWidePunctuation(found.text) }),
    ])
      known.add(key);
  }
  return known;
}

/**
 * The URLs in `value` that are not known. `value` is a step's params or any other JSON; texts and
 * names of properties are searched at any depth.
 * @param known the union of `urlsIn` over all that the person gave: mission and inputs
 * @returns each URL as it was found, once. A URL may hold what was read, so it belongs in no log.
 */
export function unknownUrls(value: unknown, known: ReadonlySet<string>): string[] {
  const unknown = new Set<string>();
  for (const found of allIn(value)) {
    if (NEVER_KNOWN.test(found.text) || !keysOf(found).some((key) => known.has(key)))
      unknown.add(found.text);
  }
  return [...unknown];
}

function allIn(value: unknown): Found[] {
  return textsOf(value).flatMap(viewsOf).flatMap(findAll);
}

function textsOf(value: unknown): string[] {
  const texts: string[] = [];
  const seen = new Set<object>();
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === 'string') texts.push(next);
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    if (!Array.isArray(next)) texts.push(...Object.keys(next));
    waiting.push(...Object.values(next));
  }
  return texts;
}

// ---- What a text looks like to those who decode it ----------------------------------------------

/** Invisible characters, which browsers, or people who copy, leave out. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}|(?![\t\r\n])\p{Cc}/gu;

const MOST_DECODINGS = 3;

/**
 * The text, and the text after decoding HTML entities and percent escapes: links are written in
 * both.
 */
function viewsOf(text: string): string[] {
  const plain = text.normalize('NFKC').replace(INVISIBLE, '');
  const views = new Set([plain]);
  for (const decode of [withoutEntities, withoutEscapes, withoutBackslashEscapes]) {
    let view = plain;
    for (let times = 0; times < MOST_DECODINGS; times += 1) {
      view = decode(view).normalize('NFKC').replace(INVISIBLE, '');
      views.add(view);
    }
  }
  return [...views];
}

const NAMED_ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  colon: ':',
  sol: '/',
  bsol: '\\',
  period: '.',
  num: '#',
  quest: '?',
  commat: '@',
  tab: '\t',
  newline: '\n',
};

function withoutEntities(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));?/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return NAMED_ENTITIES[name.toLowerCase()] ?? whole;
      const point = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
      return point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
        ? String.fromCodePoint(point)
        : whole;
    },
  );
}

function withoutEscapes(text: string): string {
  return text.replace(/(?:%[\da-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}

/** Undoes the escapes of markdown and JSON: `https:\/\/evil\.example`, `\u002e`. */
function withoutBackslashEscapes(text: string): string {
  return text
    .replace(/\\u([\da-f]{4})/gi, (_whole, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    .replace(/\\([!-/:-@[-`{-~])/g, '$1');
}

// ---- Finding ------------------------------------------------------------------------------------

/** Characters that no URL holds; a URL ends before the first of them. */
const BREAK = /[\s<>"`|]/;

/**
 * The start of a URL: a scheme with slashes (of either kind), a scheme that works without them, or
 * slashes alone before a host. The scheme's length is bounded, so that a long word does not cost
 * quadratic time.
 */
const START =
  /[a-z][a-z\d+.-]{1,30}:[\\/]+(?=[^\s\\/])|(?<![\p{L}\p{N}])(?:https?|ftp|wss?|javascript|vbscript|blob|file|intent|view-source|magnet|mailto|xmpp|data(?=:[^\s,]*[,;/])):(?=[^\s:])|(?<![\p{L}\p{N}:\\/])[\\/]{2}(?=[^\s\\/.]+[.。]|\[|\p{L}+:\d)|(?<![\p{L}\p{N}.-])www\d{0,3}\.(?=[^\s.])/giu;

/** A scheme with a line break or a tab inside, which browsers leave out. */
const SPLIT_SCHEME =
  /(?:h[\t\r\n]*t[\t\r\n]*t[\t\r\n]*p[\t\r\n]*s?|j[\t\r\n]*a[\t\r\n]*v[\t\r\n]*a[\t\r\n]*s[\t\r\n]*c[\t\r\n]*r[\t\r\n]*i[\t\r\n]*p[\t\r\n]*t)[\t\r\n]*:(?:[\t\r\n]*[\\/]){0,2}\S/gi;

const EMAIL =
  /(?<![\p{L}\p{N}._%+'-])[\p{L}\p{N}._%+'-]{1,256}@(?:[\p{L}\p{N}-]{1,63}[.。])+[\p{L}\p{N}-]{2,63}/gu;

const HOST_RUN = /[\p{L}\p{M}\p{N}_.。-]+/gu;

function findAll(text: string): Found[] {
  const found: Found[] = [];
  const rest: string[] = [];
  let from = 0;
  START.lastIndex = 0;
  for (let match = START.exec(text); match !== null; match = START.exec(text)) {
    const end = endOf(text, match.index, match.index + match[0].length);
    rest.push(text.slice(from, match.index));
    found.push({ text: text.slice(match.index, end), kind: 'url' });
    from = end;
    START.lastIndex = end;
  }
  rest.push(text.slice(from));
  for (const [split] of text.matchAll(SPLIT_SCHEME)) {
    if (/[\t\r\n]/.test(split)) found.push({ text: split.replace(/[\t\r\n]/g, ''), kind: 'url' });
  }
  for (const part of rest) {
    for (const [email] of part.matchAll(EMAIL)) found.push({ text: email, kind: 'email' });
    found.push(...bareHosts(part.replace(EMAIL, ' ')));
  }
  return found;
}

/**
 * The end of the URL that begins at `start`: a character that no URL holds, or the bracket that
 * closes one before it (markdown).
 */
function endOf(text: string, start: number, after: number): number {
  const opener = text[start - 1];
  const closer = opener === '(' ? ')' : opener === '[' ? ']' : null;
  let depth = 0;
  let at = after;
  for (; at < text.length && !BREAK.test(text[at] ?? ''); at += 1) {
    if (text[at] === opener && closer !== null) depth += 1;
    if (text[at] !== closer) continue;
    // If text follows the bracket directly, simple linkers go on, so the URL goes on here too.
    if (depth === 0 && !/[\p{L}\p{N}/?#&=%_~@+$-]/u.test(text[at + 1] ?? '')) return at;
    depth -= 1;
  }
  return at;
}

function bareHosts(text: string): Found[] {
  const found: Found[] = [];
  for (const match of text.matchAll(HOST_RUN)) {
    const run = match[0];
    if (!/[.。]/.test(run)) continue;
    const end = match.index + run.length;
    const tail =
      /^(?::\d{1,5})?[\\/?#]/.test(text.slice(end, end + 8)) ||
      /^:\d{1,5}/.test(text.slice(end, end + 6));
    const stop = tail ? endOf(text, match.index, end) : end;
    for (const { at, host } of hostsIn(run, tail)) {
      found.push({
        text: text.slice(
          match.index + at,
          at + host.length === run.length ? stop : match.index + at + host.length,
        ),
        kind: 'url',
      });
    }
  }
  return found;
}

/** The names in a run of letters and dots: `Then...evil.example` holds one. */
function* hostsIn(run: string, hasTail: boolean): Generator<{ at: number; host: string }> {
  for (const match of run.matchAll(/[^.。]+(?:[.。][^.。]+)+/g)) {
    const host = match[0];
    const labels = host.split(/[.。]/);
    const isLast = match.index + host.length === run.length;
    if (isHost(labels, hasTail && isLast)) yield { at: match.index, host };
  }
}

function isHost(labels: readonly string[], hasTail: boolean): boolean {
  const last = labels.at(-1) ?? '';
  if (hasTail && (/^(?=.*\p{L})[\p{L}\p{M}\p{N}-]{2,}$/u.test(last) || isAddress(labels)))
    return true;
  return labels.some((label, index) => index > 0 && isTopLevel(label, labels.length));
}

function isAddress(labels: readonly string[]): boolean {
  return (
    labels.length === 4 && labels.every((label) => /^\d{1,3}$/.test(label) && Number(label) <= 255)
  );
}

/**
 * Whether a label is a top-level domain. In a name of two words such as `Done.In` it is rather the
 * start of a sentence; a name that could carry data has more labels.
 */
function isTopLevel(label: string, labels: number): boolean {
  const lower = label.toLowerCase();
  if (COUNTRY.has(lower)) return labels > 2 || !/^[A-Z][a-z]$/.test(label);
  return GENERIC.has(lower) || lower.startsWith('xn--');
}

/** Country codes that are in use. */
const COUNTRY: ReadonlySet<string> = new Set(
  `ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci ck cl
  cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw
  gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md
  me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py
  qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk
  us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw`.split(/\s+/),
);

/** Other top-level domains that apps link without a scheme, and some that are cheap to own. */
const GENERIC: ReadonlySet<string> = new Set(
  `com net org edu gov mil int info biz name pro mobi asia tel jobs cat travel museum aero coop post arpa onion local internal app dev page
  web xyz online site website shop store tech cloud link click top live blog club vip icu work world today email media network systems
  agency space fun art design digital download file games group help host ink lol monster network one party pics press run social stream
  support team tools trade video wiki win zone zip mov beauty quest cfd sbs bond bar buzz cyou rest test example invalid localhost москва
  рф укр бел срб онлайн сайт дети орг ком 中国 中國 公司 网络 在线 网站 香港 台灣 한국 ไทย भारत`.split(
    /\s+/,
  ),
);

// ---- Comparing ----------------------------------------------------------------------------------

/** Characters that may end a sentence rather than a URL. */
const CLOSING = /[.,:;!?)\]}'*_~…。，、；：！？）】」』》〉”’»]$/u;

/** At most so many are cut off: a long row of them could carry a message. */
const MOST_CLOSING = 3;

const WIDE_PUNCTUATION = /[。，、；：！？）】」』》〉]/u;

function untilWidePunctuation(text: string): string {
  const at = text.search(WIDE_PUNCTUATION);
  // Before the first slash the dot may belong to the host.
  return at <= text.search(/[^:\\/][\\/]/) ? text : text.slice(0, at);
}

/**
 * The forms in which the text is compared: as it stands, and without each of the last characters
 * that may not belong to it.
 */
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
  // A text that is no URL to a browser may still be one to another program.
  if (!URL.canParse(absolute)) return `?${text}`;
  const url = new URL(absolute);
  if (url.protocol === 'mailto:' && /^[^?]+$/.test(url.href)) return emailKey(url.pathname);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return url.href;
  const user = url.username === '' && url.password === '' ? '' : `${url.username}:${url.password}@`;
  const host = `${url.hostname.replace(/\.$/, '')}${url.port === '' ? '' : `:${url.port}`}`;
  return `//${user}${host}${plainEscapes(`${url.pathname}${url.search}${url.hash}`)}`;
}

/**
 * RFC 3986, section 6.2.2: escapes of unreserved characters mean the character, and hexadecimal
 * digits are upper case.
 */
function plainEscapes(text: string): string {
  return text.replace(/%([\da-f]{2})/gi, (whole, hex: string) => {
    const character = String.fromCharCode(parseInt(hex, 16));
    return /[\w.~-]/.test(character) ? character : whole.toUpperCase();
  });
}
