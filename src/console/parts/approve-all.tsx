import { marks, keyOf, toggleMark } from '../core/decisions.ts';
import { isOpen } from '../core/missions.ts';
import { seenSteps } from '../core/seen-steps.ts';
import type { Words } from '../words/en.ts';
import { confirm } from './dialog.tsx';

/** Marks all steps of a plan that are displayed, readable and open. Those that cannot be taken back stay single. */
export async function approveAllOf(words: Words, iterationId: string): Promise<void> {
  const open = [...seenSteps.values()].filter(
    ({ iteration, step, readable }) =>
      iteration['id'] === iterationId && isOpen(step) && readable !== null,
  );
  const several = open.filter(({ single }) => !single);
  if (several.length === 0) return;
  const counts = Map.groupBy(several, ({ toolName }) => toolName ?? words.effects.hand);
  const left = open.length - several.length;
  const yes = await confirm({
    title: words.inbox.confirmAll,
    yes: words.inbox.approveAll(several.length),
    body: (
      <>
        <ul>
          {[...counts].map(([tool, steps]) => (
            <li key={tool}>{words.inbox.confirmTool(tool, steps.length)}</li>
          ))}
        </ul>
        {left > 0 && <p class="soft">{words.inbox.leftOut(left)}</p>}
      </>
    ),
  });
  if (!yes) return;
  for (const { mission, iteration, step } of several) {
    const place = { iterationId, stepId: String(step['id']) };
    const present = marks.value.get(keyOf(place));
    if (present?.decision !== 'approve') await toggleMark(mission, iteration, step, 'approve');
  }
}
