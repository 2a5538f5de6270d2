import { outcomes } from '../core/decisions.ts';
import { type Json, type Mission, stepsOf } from '../core/missions.ts';
import { useOpened } from '../core/opening.ts';
import type { Keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { textOf } from '../core/intent.ts';

const before = new WeakMap<Json, Json>();

/** A step that is not what was marked: what was seen, and what stands there now. */
export function Changed({
  mission,
  iteration,
  present,
  stepId,
  before: seen,
}: {
  mission: Mission;
  iteration: Json;
  present: Keys | null;
  stepId: string;
  before: Json;
}) {
  const words = useWords();
  const old = useOpened(present, mission.id, planOf(iteration, seen));
  const now = useOpened(present, mission.id, iteration);
  const standing = stepsOf(now.iteration).find(({ id }) => id === stepId);
  const [was] = stepsOf(old.iteration);
  const close = (): void =>
    outcomes.update((all) =>
      all.filter((outcome) => outcome.kind !== 'changed' || outcome.stepId !== stepId),
    );
  return (
    <div class="notice warn" role="alert" data-changed={stepId}>
      <p>{words.outcome.changed}</p>
      <dl class="facts">
        <dt>{words.outcome.seen}</dt>
        <dd>{was === undefined || !old.opened ? words.lock.sealed : textOf(was)}</dd>
        <dt>{words.outcome.now}</dt>
        <dd>{standing === undefined ? words.outcome.gone : textOf(standing)}</dd>
      </dl>
      <button type="button" class="button slim" onClick={close}>
        {words.outcome.dismiss}
      </button>
    </div>
  );
}

function planOf(iteration: Json, step: Json): Json {
  const known = before.get(step);
  if (known !== undefined) return known;
  const made = { id: iteration['id'], plan: [step] };
  before.set(step, made);
  return made;
}
