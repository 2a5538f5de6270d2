import { Params } from './params.ts';
import { Records } from './records.ts';
import { Step } from './step.ts';
import { carryOutTool, toolFacts } from './tools.ts';
import {
  CannotCarryOut,
  type CarriedOut,
  type CarryOutContext,
  type Need,
  type ReadRecord,
  type ToolCall,
} from './types.ts';

/**
 * What must be read before the step can be carried out, from what was read so far. Ask again with
 * what came: the answer names records of records, and is complete once it asks for nothing new
 * (`readNeeds` does that). Empty where the call does not fit; `carryOut` says why.
 */
export function needsOf(call: ToolCall, read: readonly ReadRecord[]): Need[] {
  const tool = carryOutTool(call.toolName);
  if (tool?.needs === undefined) return [];
  try {
    return tool.needs(new Params(call.params), new Records(read));
  } catch (thrown) {
    if (thrown instanceof CannotCarryOut) return [];
    throw thrown;
  }
}

/**
 * Reads all that a step needs. `read` answers the records of some needs, opened, those that exist.
 */
export async function readNeeds(
  call: ToolCall,
  read: (needs: readonly Need[]) => Promise<readonly ReadRecord[]>,
): Promise<ReadRecord[]> {
  const asked = new Set<string>();
  const records: ReadRecord[] = [];
  for (;;) {
    const needs = needsOf(call, records).filter((need) => !asked.has(JSON.stringify(need)));
    if (needs.length === 0) return records;
    for (const need of needs) asked.add(JSON.stringify(need));
    records.push(...(await read(needs)));
  }
}

/**
 * The rows that carry a step out, in plaintext, as the app would write them, and a sentence that
 * says what they do. Whoever carries the same step out, from the same records, makes the same rows
 * but for their times.
 */
export function carryOut(call: ToolCall, context: CarryOutContext): CarriedOut {
  const tool = carryOutTool(call.toolName);
  if (tool === null) return notByRows(call.toolName);
  const step = new Step(context, new Params(call.params), new Records(unique(context.records)));
  try {
    const did = tool.carryOut(step);
    return { ok: true, writes: step.writes, did };
  } catch (thrown) {
    if (!(thrown instanceof CannotCarryOut)) throw thrown;
    return { ok: false, code: thrown.code, problem: thrown.message };
  }
}

function notByRows(toolName: string): CarriedOut {
  return toolFacts(toolName) === null
    ? { ok: false, code: 'UNKNOWN_TOOL', problem: `${toolName} is no tool that is known here.` }
    : { ok: false, code: 'APP_ONLY', problem: `Only the app can carry out ${toolName}.` };
}

/** Needs overlap: a record and its whole table. */
function unique(records: readonly ReadRecord[]): ReadRecord[] {
  const byKey = new Map(
    records.map((record) => [
      JSON.stringify([record.appId, record.table, record.recordId]),
      record,
    ]),
  );
  return [...byKey.values()];
}
