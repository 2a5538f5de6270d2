import type { GrantReason } from '../../src/grants/index.ts';
import {
  formatInput,
  type InputSource,
  inputSource,
  type OpenedInput,
  type ResolvedInput,
} from '../../src/inputs/index.ts';
import type { InputRef } from '../../src/missions/mission.ts';
import type { FoundRecord, RunRecords } from './records.ts';

/**
 * `refusals`: why guarded records were left out, one reason for each. `also`: the openings of the
 * other records, in their order.
 */
export type InputsReading = {
  inputs: ResolvedInput[];
  refusals: GrantReason[];
  also: OpenedInput[];
};

/**
 * A mission's links as text for the prompt, in their order.
 * @param also what else the plan begins with; opened together, so that all attempts are in the
 * audit before any record is open
 * @throws PostgresError, AuditError
 */
export async function resolveInputs(
  refs: readonly InputRef[],
  records: RunRecords,
  also: readonly FoundRecord[],
): Promise<InputsReading> {
  const modules = modulesBySource(refs);
  const found = await records.find([...modules.keys()]);
  const openings = await records.open([...found, ...also]);
  const inputs: ResolvedInput[] = [];
  const refusals: GrantReason[] = [];
  for (const [index, { source }] of found.entries()) {
    const opening = openings[index];
    if (opening?.ok !== true) {
      refusals.push(opening?.reason ?? 'malformed');
      continue;
    }
    const input = formatInput(modules.get(source) ?? '', opening.record);
    if (input.ok) inputs.push({ ...input, id: source.recordId });
  }
  return { inputs, refusals, also: openings.slice(found.length) };
}

/** Each record once, whatever links to it. */
function modulesBySource(refs: readonly InputRef[]): Map<InputSource, string> {
  const modules = new Map<InputSource, string>();
  const seen = new Set<string>();
  for (const ref of refs) {
    const source = inputSource(ref);
    const key = JSON.stringify(source);
    if (source === null || seen.has(key)) continue;
    seen.add(key);
    modules.set(source, ref.module);
  }
  return modules;
}
