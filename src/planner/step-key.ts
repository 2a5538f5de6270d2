import type { IterationView } from '../missions/iteration.ts';
import { canonicalJson } from './arguments.ts';

/** Equal for equal proposals: the tool and its params, whatever their order. */
export function stepKey(toolName: string, params: Record<string, unknown>): string {
  return `${toolName} ${canonicalJson(params)}`;
}

/**
 * The keys of proposals that the person rejected, one by one or with their whole iteration, and has not approved since.
 * `iterations`: oldest first, opened where they were encrypted.
 */
export function rejectedSteps(iterations: readonly IterationView[]): ReadonlySet<string> {
  const rejected = new Set<string>();
  for (const { overallStatus, plan } of iterations) {
    for (const { status, intent } of plan) {
      if (intent?.kind !== 'toolCall') continue;
      const key = stepKey(intent.toolName, intent.params);
      if (status === 'approved') rejected.delete(key);
      else if (status === 'rejected' || overallStatus === 'rejected') rejected.add(key);
    }
  }
  return rejected;
}
