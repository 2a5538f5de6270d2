import { batches, keyOf, toggleMark } from './decisions.ts';
import { isOpen } from './missions.ts';
import type { SeenStep } from './seen-steps.ts';

/** Marks a step that can be read and is still open; anything else is left alone. */
export async function decideSeen(seen: SeenStep, decision: 'approve' | 'reject'): Promise<void> {
  if (seen.readable === null || !isOpen(seen.step)) return;
  const sending = batches.value.some(({ marks: all }) =>
    all.some((mark) => keyOf(mark) === keyOf(placeOf(seen))),
  );
  if (!sending) await toggleMark(seen.mission, seen.iteration, seen.step, decision);
}

function placeOf({ iteration, step }: SeenStep): { iterationId: string; stepId: string } {
  return { iterationId: String(iteration['id']), stepId: String(step['id']) };
}
