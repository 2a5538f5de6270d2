/**
 * Steps that a device could not carry out because its vault was locked. The app marks them as failed
 * for good, and no other device tries again. Nothing is wrong with such a step, so it is proposed once
 * more, and it is no lesson for the model.
 */

import { type Agent, resolvePolicy } from '../missions/agent.ts';
import { readPlanStep } from '../missions/iteration.ts';
import { isRecord } from '../values/fields.ts';
import { readArguments } from './arguments.ts';
import type { RecordedStep } from './plan.ts';
import { stepKey } from './step-key.ts';
import type { Tool } from './tools/tool.ts';

/** What the app's error says (VaultLockedError); it stands in the words that the app appends to the step's summary. */
const VAULT_IS_LOCKED = /vault is locked/i;

/** How the app's appended words begin. */
const APPENDED = ' (FEHLER:';

/**
 * The iterations with a `vaultLocked: true` at each step that failed for a locked vault, and without
 * the app's words. It reads them as they are stored: ciphertext is opened afterwards, without the
 * words behind it.
 */
export function markVaultFailures(iterations: readonly unknown[]): unknown[] {
  return iterations.map((item) => {
    if (!isRecord(item) || !Array.isArray(item['plan'])) return item;
    const plan: readonly unknown[] = item['plan'];
    return plan.some(isVaultFailure) ? { ...item, plan: plan.map(marked) } : item;
  });
}

/**
 * The steps to propose once more, oldest first: those marked, that have not been proposed again yet
 * and whose tool the agent still has. `iterations` are marked and opened.
 */
export function stepsToRepeat(
  iterations: readonly unknown[],
  { agent, tools }: { agent: Agent | null; tools: readonly Tool[] },
): RecordedStep[] {
  const steps = iterations.filter(isRecord).flatMap(planOf);
  const repeated = new Set(steps.map((step) => step['repeats']));
  const found = new Map<string, RecordedStep>();
  for (const step of steps) {
    const { id } = step;
    if (step['vaultLocked'] !== true || step['repeats'] !== undefined || repeated.has(id)) continue;
    const again = repeatOf(step, { agent, tools });
    if (again !== null) found.set(stepKey(again.toolName, again.params), again);
  }
  return [...found.values()].slice(-MOST_REPEATED);
}

/** A device that was locked for weeks leaves many; the newest are the ones that still matter. */
const MOST_REPEATED = 10;

function isVaultFailure(step: unknown): boolean {
  return isRecord(step) && step['status'] === 'failed' && VAULT_IS_LOCKED.test(textOf(step));
}

function marked(step: unknown): unknown {
  if (!isVaultFailure(step) || !isRecord(step)) return step;
  const summary = textOf(step);
  const words = summary.indexOf(APPENDED);
  return { ...step, vaultLocked: true, summary: words === -1 ? summary : summary.slice(0, words) };
}

function textOf({ summary }: Readonly<Record<string, unknown>>): string {
  return typeof summary === 'string' ? summary : '';
}

function planOf({ plan }: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  return Array.isArray(plan) ? (plan as unknown[]).filter(isRecord) : [];
}

function repeatOf(
  step: Readonly<Record<string, unknown>>,
  { agent, tools }: { agent: Agent | null; tools: readonly Tool[] },
): RecordedStep | null {
  const view = readPlanStep(step);
  if (view?.intent?.kind !== 'toolCall') return null;
  const { toolName, params } = view.intent;
  const tool = tools.find(({ name }) => name === toolName);
  if (tool === undefined || (agent !== null && resolvePolicy(agent.policy, tool) === 'deny'))
    return null;
  const reading = readArguments(tool, JSON.stringify(params));
  if (!reading.ok) return null;
  return {
    toolName,
    params: reading.params,
    summary: view.summary ?? toolName,
    ...(view.rationale === null ? {} : { rationale: view.rationale }),
    repeats: view.id,
  };
}
