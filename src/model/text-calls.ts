import { isRecord } from '../values/fields.ts';
import { readArguments } from '../planner/arguments.ts';
import type { ToolCall } from '../planner/chat.ts';
import { afterItem, readLiteral, skipBlanks } from './literal.ts';
import type { Tool } from '../planner/tools/tool.ts';

/** `rest` is the text without what was written as a call. `attempted` counts calls that were meant and cannot be taken. */
export type TextCalls = { calls: ToolCall[]; rest: string; attempted: number };

/** Places in a text where a call may begin; a longer list is no answer of an honest model. */
const MAX_PLACES = 200;

type Written = { name: string; given: unknown };
type Place = { from: number; end: number; written: readonly Written[]; marked: boolean };

/**
 * Reads the calls that a model wrote into its text instead of making them: `<tool_call>{…}</tool_call>`, bare JSON, a fenced
 * block, `[name(arg=1)]`, `<function=name>{…}</function>`. Only offered names with valid arguments are taken.
 */
export function readTextCalls(content: string, tools: readonly Tool[]): TextCalls {
  const result: TextCalls = { calls: [], rest: '', attempted: 0 };
  let from = 0;
  for (const place of placesOf(content)) {
    const taken = place.written.map((written) => toCall(written, tools));
    const calls = taken.filter((call) => call !== null);
    result.calls.push(...calls);
    result.attempted +=
      place.written.length === 0 ? Number(place.marked) : taken.length - calls.length;
    result.rest += content.slice(from, place.from);
    from = place.end;
  }
  result.rest = (result.rest + content.slice(from)).trim();
  return result;
}

function toCall({ name, given }: Written, tools: readonly Tool[]): ToolCall | null {
  const tool = tools.find((offered) => offered.name === name);
  const text = typeof given === 'string' ? given : JSON.stringify(given ?? {});
  return tool !== undefined && readArguments(tool, text).ok
    ? { id: '', name, arguments: text }
    : null;
}

// `$` would be the end of a line here.
const TAG = /<tool_call>([^]*?)(?:<\/tool_call>|(?![^]))/.source;
const FENCE = /```[\w-]*\n([^]*?)\n?```/.source;
/** As Llama 3 writes it without a template for tools. */
const FUNCTION = /<function=([a-z_]\w{0,63})>([^]*?)(?:<\/function>|(?![^]))/.source;
/** Markers of Mistral, Llama and Phi before their JSON, and JSON or a list of calls that begins a line. */
const BARE = /(?:\[TOOL_CALLS\]|<\|python_tag\|>|<\|tool_call\|>|functools|^)[ \t]*(?=[[{])/.source;
const CLOSING_MARK = '<|/tool_call|>';
const PLACE = new RegExp(`${TAG}|${FENCE}|${FUNCTION}|${BARE}`, 'gm');

function* placesOf(content: string): Generator<Place> {
  let looked = 0;
  let free = 0;
  for (const match of content.matchAll(PLACE)) {
    looked += 1;
    if (looked > MAX_PLACES) return;
    if (match.index < free) continue;
    const inner = match[1] ?? match[2];
    const place =
      inner !== undefined
        ? framedPlace(match, inner)
        : match[3] === undefined
          ? barePlace(content, match)
          : functionPlace(match, match[3]);
    if (place === null) continue;
    free = place.end;
    yield place;
  }
}

/** A tag says by itself that a call was meant; a fenced block may hold anything. */
function framedPlace(match: RegExpExecArray, inner: string): Place | null {
  const written = readAll(inner);
  const marked = match[1] !== undefined;
  return written.length === 0 && !marked
    ? null
    : { from: match.index, end: match.index + match[0].length, written, marked };
}

function functionPlace(match: RegExpExecArray, name: string): Place {
  const given = readLiteral(match[4] ?? '', 0)?.value;
  const written = isRecord(given) ? [{ name, given }] : [];
  return { from: match.index, end: match.index + match[0].length, written, marked: true };
}

function barePlace(content: string, match: RegExpExecArray): Place | null {
  const start = match.index + match[0].length;
  const read = readOne(content, start);
  if (read === null || read.written.length === 0) return null;
  const end = read.end + (content.startsWith(CLOSING_MARK, read.end) ? CLOSING_MARK.length : 0);
  return { from: match.index, end, written: read.written, marked: true };
}

/** All values of a text that holds nothing but calls, one after the other. */
function readAll(text: string): Written[] {
  const all: Written[] = [];
  let at = skipBlanks(text, 0);
  while (at < text.length) {
    const read = readOne(text, at) ?? readPlainCall(text, at);
    if (read === null) return all;
    all.push(...read.written);
    at = skipBlanks(text, read.end);
    if (text[at] === ',' || text[at] === ';') at = skipBlanks(text, at + 1);
  }
  return all;
}

function readOne(text: string, at: number): { written: Written[]; end: number } | null {
  const python = readCallList(text, at);
  if (python !== null) return python;
  const literal = readLiteral(text, at);
  return literal === null ? null : { written: writtenIn(literal.value), end: literal.end };
}

/** The calls that a JSON value describes, in the shapes that models use. */
function writtenIn(value: unknown): Written[] {
  if (Array.isArray(value)) return value.flatMap(writtenIn);
  if (!isRecord(value)) return [];
  if (Array.isArray(value['tool_calls'])) return value['tool_calls'].flatMap(writtenIn);
  const inner = isRecord(value['function']) ? value['function'] : value;
  const name = inner['name'] ?? inner['tool'] ?? inner['function'];
  const given = inner['arguments'] ?? inner['parameters'] ?? inner['args'];
  return typeof name === 'string' && (isRecord(given) || typeof given === 'string')
    ? [{ name, given }]
    : [];
}

/** `[name(arg=1), other()]` as Llama and others write it. */
function readCallList(text: string, at: number): { written: Written[]; end: number } | null {
  if (text[at] !== '[') return null;
  const written: Written[] = [];
  let next = skipBlanks(text, at + 1);
  while (text[next] !== ']') {
    const call = readCall(text, next);
    const after = call === null ? null : afterItem(text, call.end, ']');
    if (call === null || after === null) return null;
    written.push(call.written);
    next = after;
  }
  return written.length === 0 ? null : { written, end: next + 1 };
}

/** `name(arg=1)` without a list around it, as Gemma writes it; only within a frame, where it is no prose. */
function readPlainCall(text: string, at: number): { written: Written[]; end: number } | null {
  const call = readCall(text, at);
  return call === null ? null : { written: [call.written], end: call.end };
}

function readCall(text: string, at: number): { written: Written; end: number } | null {
  const name = /^[a-z_]\w{0,63}(?=\()/i.exec(text.slice(at, at + 66))?.[0];
  if (name === undefined) return null;
  const given: [string, unknown][] = [];
  let next = skipBlanks(text, at + name.length + 1);
  while (text[next] !== ')') {
    const key = /^([a-z_]\w{0,63})\s*=/i.exec(text.slice(next, next + 70));
    const value = key === null ? null : readLiteral(text, next + key[0].length);
    const after = value === null ? null : afterItem(text, value.end, ')');
    if (key?.[1] === undefined || value === null || after === null) return null;
    given.push([key[1], value.value]);
    next = after;
  }
  return { written: { name, given: Object.fromEntries(given) }, end: next + 1 };
}
