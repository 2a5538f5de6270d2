import { canonicalJson } from '../values/canonical-json.ts';
import { iterationId } from './iterations.ts';
import { readRecord, type RecordState, register } from './merge.ts';

/**
 * What a merge changed of a mission, for those who watch it: ids of iterations that are new or different, and '' where anything else
 * (its fields, an iteration that went, its being deleted) changed.
 */
export function changedParts(before: RecordState | null, after: RecordState): string[] {
  if (before === null) return ['', ...iterationsById(after).keys()];
  const parts: string[] = [];
  if (fieldsText(before) !== fieldsText(after)) parts.push('');
  const isSameArray =
    register(before, 'iterations')?.rowId === register(after, 'iterations')?.rowId;
  const isSameOutcome = canonicalJson(before.outcomes) === canonicalJson(after.outcomes);
  return isSameArray && isSameOutcome ? parts : [...parts, ...changedIterations(before, after)];
}

function changedIterations(before: RecordState, after: RecordState): string[] {
  const [old, now] = [iterationsById(before), iterationsById(after)];
  const changed = [...now].filter(([id, text]) => old.get(id) !== text).map(([id]) => id);
  return [...old.keys()].some((id) => !now.has(id)) ? ['', ...changed] : changed;
}

function iterationsById(state: RecordState): Map<string, string> {
  const value = register(state, 'iterations')?.value;
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const byId = new Map<string, string>();
  for (const item of items) {
    const id = iterationId(item);
    if (id !== null) byId.set(id, canonicalJson(item));
  }
  return byId;
}

function fieldsText(state: RecordState): string {
  const fields = Object.entries(readRecord(state, '')).filter(([name]) => name !== 'iterations');
  return canonicalJson([state.existence?.deleted ?? false, Object.fromEntries(fields)]);
}
