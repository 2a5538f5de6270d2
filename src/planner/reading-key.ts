import { canonicalJson } from '../values/canonical-json.ts';
import { parseObject } from './arguments.ts';

/** Equal for equal calls of a reading tool. */
export function readingKey(toolName: string, params: Record<string, unknown>): string {
  return `${toolName} ${canonicalJson(params)}`;
}

/** The call of a key that `readingKey` made. The name of a tool holds no space. */
export function parseReadingKey(key: string): {
  toolName: string;
  params: Record<string, unknown>;
} {
  const nameEnd = key.indexOf(' ');
  return { toolName: key.slice(0, nameEnd), params: parseObject(key.slice(nameEnd + 1)) ?? {} };
}
