import type { ToolCall } from '../../carry-out/types.ts';
import { isRecord } from '../../values/fields.ts';
import type { Json } from './missions.ts';

/** The tool call of a step that is open; null for a note, or where it is ciphertext. */
export function callOf(step: Json): ToolCall | null {
  const intent = step['intent'];
  if (!isRecord(intent) || intent['kind'] !== 'toolCall') return null;
  if (typeof intent['toolName'] !== 'string' || !isRecord(intent['params'])) return null;
  return { toolName: intent['toolName'], params: intent['params'] };
}

/** The tool of a step: its name is never encrypted. */
export function toolNameOf(step: Json): string | null {
  const intent = step['intent'];
  return isRecord(intent) && typeof intent['toolName'] === 'string' ? intent['toolName'] : null;
}

/** The words of a note. */
export function noteOf(step: Json): string | null {
  const intent = step['intent'];
  return isRecord(intent) && intent['kind'] === 'note' && typeof intent['body'] === 'string'
    ? intent['body']
    : null;
}

/** What a step says it does. */
export function textOf(step: Json): string {
  const { summary } = step;
  return typeof summary === 'string' && summary !== ''
    ? summary
    : (noteOf(step) ?? toolNameOf(step) ?? '');
}

/** `dueDate` -> `due date`. */
export function fieldWords(name: string): string {
  return name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
}
