import { isRecord } from '../values/fields.ts';
import { readArguments } from '../planner/arguments.ts';
import type { ToolCall } from '../planner/chat.ts';
import { isQuoted } from '../planner/markup.ts';
import { toolMeant } from '../planner/tool-name.ts';
import type { Tool } from '../planner/tools/tool.ts';
import { CALL_MARKS, placesOf, type Written } from './call-forms.ts';

/** `rest` is the text without what was written as a call. `attempted` counts calls that were meant and cannot be taken. */
export type TextCalls = { calls: ToolCall[]; rest: string; attempted: number };

/**
 * Reads the calls that a model wrote into its text instead of making them, in the native forms of `call-forms.ts`. Only offered names
 * with valid arguments are taken. What stands in `data` word for word is a quote of it and no call. Never throws; takes time that grows
 * with the text alone.
 */
export function readTextCalls(
  content: string,
  tools: readonly Tool[],
  data: string = '',
): TextCalls {
  const result: TextCalls = { calls: [], rest: '', attempted: 0 };
  let from = 0;
  let found = false;
  for (const place of placesOf(content, tools)) {
    const text = content.slice(place.from, place.end);
    const taken = place.written.map((written) => toCall(written, tools));
    const calls = taken.filter((call) => call !== null);
    if (isQuoted(text, data) || (calls.length === 0 && isQuoted(place.opener, data))) continue;
    found = true;
    result.calls.push(...calls);
    result.attempted +=
      place.written.length === 0 ? Number(place.marked) : taken.length - calls.length;
    result.rest += content.slice(from, place.from);
    from = place.end;
  }
  const rest = result.rest + content.slice(from);
  result.rest = (found ? rest.replace(CALL_MARKS, '') : rest).trim();
  return result;
}

function toCall({ name, given }: Written, tools: readonly Tool[]): ToolCall | null {
  const tool = toolMeant(name, tools);
  const text = typeof given === 'string' ? given : JSON.stringify(isRecord(given) ? given : {});
  return tool !== undefined && readArguments(tool, text).ok
    ? { id: '', name: tool.name, arguments: text }
    : null;
}
