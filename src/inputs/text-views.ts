/**
 * What a text looks like to those who decode it: links are written in HTML entities, percent escapes and backslash escapes
 * as well. Pure and linear in the text.
 */

/** Characters that are not seen and that browsers, or people who copy, leave out. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}|(?![\t\r\n])\p{Cc}/gu;

const MOST_DECODINGS = 3;

/** The text, and what is left after decoding HTML entities and percent escapes: links are written in both. */
export function viewsOf(text: string): string[] {
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

/** Markdown and JSON: `https:\/\/evil\.example`, `\u002e`. */
function withoutBackslashEscapes(text: string): string {
  return text
    .replace(/\\u([\da-f]{4})/gi, (_whole, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    .replace(/\\([!-/:-@[-`{-~])/g, '$1');
}
