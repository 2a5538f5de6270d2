export { stripThoughts } from './markup.ts';

/** Marks where `cutText` left something out. */
const CUT_MARKER = '…';

/** Characters that no log, no jsonb column and no screen wants: control characters except tab and line feed. */
// oxlint-disable-next-line no-control-regex -- naming them is the point
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Characters that reorder or hide what a person sees (bidi overrides and isolates, zero width, BOM). */
const DECEPTIVE = /[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/**
 * At most `max` UTF-16 code units of `text`, with `marker` at the end where something was left out. The result is well-formed
 * Unicode: a pair of surrogates is never cut in two, and lone ones become U+FFFD. Costs what it keeps, not what it was given.
 */
export function cutText(text: string, max: number, marker: string = CUT_MARKER): string {
  if (text.length <= max) return text.toWellFormed();
  const room = Math.max(0, max - marker.length);
  const end = isHighSurrogate(text.charCodeAt(room - 1)) ? room - 1 : room;
  return `${text.slice(0, end).toWellFormed()}${marker.slice(0, max)}`;
}

/** `text` without control characters other than tab and line feed; CR LF becomes LF. */
export function withoutControls(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROL, '');
}

/** One line that is safe to show: no control or deceptive characters, runs of white space as one blank, at most `max` long. */
export function oneLine(text: string, max: number): string {
  // Cut generously first: the text can be a megabyte of blanks.
  const start = cutText(text, max * 4);
  return cutText(
    start.replace(/\s+/g, ' ').replace(CONTROL, '').replace(DECEPTIVE, '').trim(),
    max,
  );
}

const TEMPLATE_TOKENS =
  /<[|｜]|<\/?(?=(?:start_of_turn|end_of_turn|s|think|tool_call|tool_response)>)|\[\/?INST\]/gi;

/**
 * Text that somebody wrote, without the control tokens of chat templates (`<|im_end|>` and its kin): a server that renders a template would
 * take them for the end of the message. Their replacement is as long, and JSON stays JSON.
 */
export function withoutTemplateTokens(text: string): string {
  return text.replace(
    TEMPLATE_TOKENS,
    (token) => `${token.startsWith('<') ? '‹' : '('}${token.slice(1)}`,
  );
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
