/** A node of the app's editor (tiptap). */
export type RichNode = {
  type: string;
  attrs?: Record<string, unknown>;
  content?: RichNode[];
  marks?: { type: string; attrs?: Record<string, unknown> }[];
  text?: string;
};

type Mark = NonNullable<RichNode['marks']>[number];
type Token = { tag: string; closes: boolean; href: string | null } | { text: string };

const BLOCKS = new Set(['p', 'h1', 'h2', 'h3', 'ul', 'ol', 'li', 'div', 'blockquote']);
const MARKS: Readonly<Record<string, string>> = {
  strong: 'bold',
  b: 'bold',
  em: 'italic',
  i: 'italic',
  a: 'link',
};
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00A0',
};

/**
 * A document of the app's editor from HTML of the tags that the tool describes: p, h1 to h3, ul,
 * ol, li, a, strong, em, br. What other tags hold stays as text; scripts and styles are left out.
 * The editor shows this, and not the HTML.
 */
export function htmlToDocument(html: string): RichNode {
  const builder = new DocumentBuilder();
  for (const token of tokensOf(html)) {
    if ('text' in token) builder.text(token.text);
    else builder.tag(token);
  }
  return builder.document();
}

/**
 * The words of HTML: ends of blocks are line breaks, tags are dropped, empty lines fall together.
 */
export function plainTextOf(html: string): string {
  return decoded(
    withoutScripts(html)
      .replaceAll(/<br\s*\/?>|<\/(?:p|h[1-6]|li|div|ul|ol|blockquote)\s*>/gi, '\n')
      .replaceAll(/<[^<>]*>/g, ''),
  )
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

class DocumentBuilder {
  readonly #blocks: RichNode[] = [];
  /** open lists, the innermost last */
  readonly #lists: RichNode[] = [];
  readonly #marks: Mark[] = [];
  #inline: RichNode[] = [];
  #heading: number | null = null;

  text(text: string): void {
    const words = decoded(text).replaceAll(/\s+/g, ' ');
    const shown = this.#inline.length === 0 ? words.trimStart() : words;
    if (shown === '') return;
    const marks = this.#marks.length === 0 ? {} : { marks: [...this.#marks] };
    this.#inline.push({ type: 'text', text: shown, ...marks });
  }

  tag({ tag, closes, href }: Exclude<Token, { text: string }>): void {
    if (tag === 'br') {
      if (!closes) this.#inline.push({ type: 'hardBreak' });
      return;
    }
    if (MARKS[tag] !== undefined) return this.#mark(tag, closes, href);
    if (!BLOCKS.has(tag)) return;
    this.#endBlock();
    if (/^h[1-3]$/.test(tag)) this.#heading = closes ? null : Number(tag[1]);
    if (tag === 'ul' || tag === 'ol') this.#list(tag, closes);
    if (tag === 'li' && !closes)
      this.#lists.at(-1)?.content?.push({ type: 'listItem', content: [] });
  }

  document(): RichNode {
    this.#endBlock();
    const content = this.#blocks.map(withoutEmptyItems);
    return { type: 'doc', content: content.length > 0 ? content : [{ type: 'paragraph' }] };
  }

  #mark(tag: string, closes: boolean, href: string | null): void {
    const type = MARKS[tag] ?? '';
    const open = this.#marks.findLastIndex((mark) => mark.type === type);
    if (closes && open >= 0) this.#marks.splice(open, 1);
    if (!closes) this.#marks.push(href === null ? { type } : { type, attrs: { href } });
  }

  #list(tag: 'ul' | 'ol', closes: boolean): void {
    if (closes) {
      this.#lists.pop();
      return;
    }
    const list = { type: tag === 'ul' ? 'bulletList' : 'orderedList', content: [] };
    this.#place(list);
    this.#lists.push(list);
  }

  #endBlock(): void {
    const content = trimmedEnd(this.#inline);
    this.#inline = [];
    if (content.length === 0) return;
    const level = this.#heading;
    this.#place(
      level === null
        ? { type: 'paragraph', content }
        : { type: 'heading', attrs: { level }, content },
    );
  }

  /** Into the item of the innermost list; a list without an item gets one. */
  #place(node: RichNode): void {
    const list = this.#lists.at(-1);
    if (list === undefined) {
      this.#blocks.push(node);
      return;
    }
    list.content ??= [];
    if (list.content.length === 0) list.content.push({ type: 'listItem', content: [] });
    list.content.at(-1)?.content?.push(node);
  }
}

function withoutEmptyItems(node: RichNode): RichNode {
  if (node.content === undefined) return node;
  const kept = node.content
    .map(withoutEmptyItems)
    .filter(({ type, content }) => type !== 'listItem' || (content ?? []).length > 0);
  return { ...node, content: kept };
}

function trimmedEnd(inline: readonly RichNode[]): RichNode[] {
  const last = inline.at(-1);
  if (last === undefined) return [];
  if (last.type === 'hardBreak') return trimmedEnd(inline.slice(0, -1));
  const text = (last.text ?? '').trimEnd();
  return text === ''
    ? trimmedEnd(inline.slice(0, -1))
    : [...inline.slice(0, -1), { ...last, text }];
}

function tokensOf(html: string): Token[] {
  const tokens: Token[] = [];
  for (const [, tag, words] of withoutScripts(html).matchAll(/<([^<>]*)>|([^<]+|<)/g)) {
    if (words !== undefined) tokens.push({ text: words });
    const [, slash, name = ''] = /^(\/?)([a-z][a-z0-9]*)/i.exec(tag ?? '') ?? [];
    if (name === '') continue;
    const [, quote1, quote2] = /\shref\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(tag ?? '') ?? [];
    const href = quote1 ?? quote2 ?? null;
    const safe = href !== null && /^(?:https?:|mailto:)/i.test(href) ? decoded(href) : null;
    tokens.push({ tag: name.toLowerCase(), closes: slash === '/', href: safe });
  }
  return tokens;
}

/** Where each unseen part ends, by the text that begins it. */
const UNSEEN = new Map([
  ['<!--', /-->/g],
  ['<script', /<\/script\s{0,9}>/gi],
  ['<style', /<\/style\s{0,9}>/gi],
]);

/** Cuts in one pass: text that begins a comment again and again must not be searched anew each time. */
function withoutScripts(html: string): string {
  let kept = '';
  for (let from = 0; from < html.length;) {
    const { start, end } = nextUnseen(html, from);
    kept += html.slice(from, start);
    from = end;
  }
  return kept;
}

/** The next unseen part; one that is never closed goes on to the end. */
function nextUnseen(html: string, from: number): { start: number; end: number } {
  const opening = firstFrom(/<!--|<(?:script|style)\b/gi, html, from);
  if (opening === null) return { start: html.length, end: html.length };
  const closing = UNSEEN.get(opening[0].toLowerCase());
  const close = closing === undefined ? null : firstFrom(closing, html, opening.index);
  return {
    start: opening.index,
    end: close === null ? html.length : close.index + close[0].length,
  };
}

function firstFrom(pattern: RegExp, text: string, from: number): RegExpExecArray | null {
  pattern.lastIndex = from;
  return pattern.exec(text);
}

function decoded(text: string): string {
  return text.replaceAll(
    /&(amp|lt|gt|quot|apos|nbsp|#\d{1,7});/g,
    (whole: string, name: string) => {
      if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
      const point = Number(name.slice(1));
      return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
    },
  );
}
