import { useLayoutEffect } from 'preact/hooks';
import type { ShownWrite } from '../../carry-out/shown.ts';
import type { Carried } from '../core/carrying.ts';
import { carried } from '../core/carrying.ts';
import { batches, keyOf, marks, person, withEdit } from '../core/decisions.ts';
import { callOf, fieldWords, noteOf, textOf, toolNameOf } from '../core/intent.ts';
import { carryPart } from '../core/lazy.ts';
import { isOpen, type Json, type Mission } from '../core/missions.ts';
import { useOpened } from '../core/opening.ts';
import { editing, seenSteps } from '../core/seen-steps.ts';
import { usePromise, useWatched } from '../core/store.ts';
import type { Keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { decideSeen } from '../core/decide-seen.ts';
import { Icon } from './icon.tsx';
import { ValueText } from './value-text.tsx';

const SINGLE = new Set(['delete', 'publish', 'spend']);

/** One step: words, why, effect, what it changes, and the decision. */
export function StepRow({
  mission,
  iteration,
  step,
  readable,
  place,
  present,
}: {
  mission: Mission;
  iteration: Json;
  step: Json;
  readable: Json | null;
  place: { n: number; all: number };
  present: Keys | null;
}) {
  const words = useWords();
  const key = keyOf({ iterationId: String(iteration['id']), stepId: String(step['id']) });
  const mark = useWatched(marks).get(key);
  const sending = useWatched(batches)
    .flatMap((batch) => batch.marks)
    .find((one) => keyOf(one) === key);
  const decided = sending ?? mark;
  const edited = useEdited(present, mission, iteration, step, decided?.edit);
  const shown = readable === null ? null : (edited ?? readable);
  const toolName = toolNameOf(step);
  const facts = usePromise(async () => (await carryPart()).toolFacts(toolName ?? ''), toolName);
  const effect = facts?.effect;
  const single = toolName !== null && (effect === undefined || SINGLE.has(effect));
  useLayoutEffect(() => {
    seenSteps.set(key, { mission, iteration, step, readable, single, toolName });
    return () => void seenSteps.delete(key);
  });
  const label = `${words.inbox.stepOf(place.n, place.all)}: ${shown === null ? words.lock.sealed : textOf(shown)}`;
  return (
    <div
      class="step"
      role="group"
      tabIndex={0}
      data-step={key}
      data-mark={decided?.decision}
      aria-label={label}
    >
      <div class="what">
        {shown === null ? (
          <p class="sealed words">
            <Icon name="lock" />
            {words.lock.sealed}
          </p>
        ) : (
          <p class="words">{textOf(shown)}</p>
        )}
        <div class="row">
          <EffectTag effect={effect} appOnly={facts?.appOnly === true} isNote={toolName === null} />
          <StatusTag
            step={step}
            decision={decided?.decision}
            isEdited={decided?.edit !== undefined}
          />
          {single && effect !== undefined && isOpen(step) && (
            <span class="small soft">{words.inbox.single}</span>
          )}
        </div>
        {shown !== null && <Why step={shown} />}
        {shown !== null && <Effects step={shown} mission={mission} present={present} />}
      </div>
      {isOpen(step) && readable !== null && (
        <Buttons stepKey={key} decision={decided?.decision} locked={sending !== undefined} />
      )}
    </div>
  );
}

/** The step as an edit made it, opened; null without one. */
function useEdited(
  present: Keys | null,
  mission: Mission,
  iteration: Json,
  step: Json,
  edit: Parameters<typeof withEdit>[1] | undefined,
): Json | null {
  const plan = edit === undefined ? NO_PLAN : planWith(iteration, step, edit);
  const { iteration: opened } = useOpened(present, mission.id, plan);
  if (edit === undefined) return null;
  return (opened['plan'] as Json[] | undefined)?.[0] ?? null;
}

const NO_PLAN: Json = { id: '', plan: [] };
const editedPlans = new WeakMap<object, Json>();

function planWith(iteration: Json, step: Json, edit: Parameters<typeof withEdit>[1]): Json {
  const known = editedPlans.get(edit);
  if (known !== undefined) return known;
  const made = { id: iteration['id'], plan: [withEdit(step, edit)] };
  editedPlans.set(edit, made);
  return made;
}

function EffectTag({
  effect,
  appOnly,
  isNote,
}: {
  effect: keyof ReturnType<typeof useWords>['effects'] | undefined;
  appOnly: boolean;
  isNote: boolean;
}) {
  const words = useWords();
  if (isNote) return <span class="tag">{words.effects.hand}</span>;
  if (effect === undefined) return null;
  const kind = SINGLE.has(effect) ? 'warn' : '';
  return (
    <>
      <span class={`tag ${kind}`}>{words.effects[effect]}</span>
      {appOnly && <span class="tag">{words.effects.app}</span>}
    </>
  );
}

function StatusTag({
  step,
  decision,
  isEdited,
}: {
  step: Json;
  decision: 'approve' | 'reject' | undefined;
  isEdited: boolean;
}) {
  const words = useWords();
  const approved = decision === 'approve' || step['status'] === 'approved';
  const rejected = decision === 'reject' || step['status'] === 'rejected';
  if (approved)
    return (
      <span class="tag yes">
        <Icon name="check" />
        {isEdited ? words.inbox.edited : words.inbox.approved}
      </span>
    );
  if (rejected)
    return (
      <span class="tag no">
        <Icon name="cross" />
        {words.inbox.rejected}
      </span>
    );
  return null;
}

function Why({ step }: { step: Json }) {
  const words = useWords();
  const { rationale } = step;
  if (typeof rationale !== 'string' || rationale === '') return null;
  return (
    <p class="small soft">
      <span class="visually-hidden">{words.inbox.why}: </span>
      {rationale}
    </p>
  );
}

/** What would be written: each field with what stood there before. */
function Effects({
  step,
  mission,
  present,
}: {
  step: Json;
  mission: Mission;
  present: Keys | null;
}) {
  const words = useWords();
  const call = callOf(step);
  const result = usePromise<Carried | null>(
    async () =>
      call === null || !isOpen(step)
        ? null
        : carried({
            call,
            userId: person.value,
            stepId: String(step['id']),
            agentId: mission.agentId ?? null,
            keys: present,
          }),
    step,
  );
  const note = noteOf(step);
  if (note !== null && note !== step['summary'])
    return (
      <dl class="diff">
        <dt>{words.effects.hand}</dt>
        <dd>{note}</dd>
      </dl>
    );
  if (call === null) return null;
  if (result?.ok === true) return <Writes writes={result.shown} />;
  return (
    <>
      <dl class="diff">
        {Object.entries(call.params).map(([name, value]) => (
          <Field key={name} name={name} after={value} />
        ))}
      </dl>
      {result !== undefined && result !== null && result.code !== 'APP_ONLY' && isOpen(step) && (
        <p class="small notice warn">{result.problem}</p>
      )}
    </>
  );
}

/** Fields that say how a record is kept, and nothing to a person. */
const QUIET = new Set(['order', 'isCompleted', 'isArchived', 'isPinned', 'transcriptModel']);

function Writes({ writes }: { writes: readonly ShownWrite[] }) {
  const fields = writes.flatMap((write) =>
    write.fields
      .filter(({ name, before }) => before !== undefined || !QUIET.has(name))
      .map((field) => ({ ...field, key: `${write.recordId}.${field.name}` })),
  );
  if (fields.length === 0) return null;
  return (
    <dl class="diff">
      {fields.map(({ key, name, before, after }) => (
        <Field key={key} name={name} before={before} after={after} />
      ))}
    </dl>
  );
}

function Field({ name, before, after }: { name: string; before?: unknown; after?: unknown }) {
  const words = useWords();
  const was = before !== undefined && before !== null;
  return (
    <>
      <dt>{fieldWords(name)}</dt>
      <dd>
        {was && (
          <del>
            <span class="visually-hidden">{words.inbox.before}: </span>
            <ValueText value={before} />
          </del>
        )}
        {was && after !== undefined && ' → '}
        {after !== undefined && (
          <ins>
            {was && <span class="visually-hidden">{words.inbox.after}: </span>}
            <ValueText value={after} />
          </ins>
        )}
      </dd>
    </>
  );
}

function Buttons({
  stepKey,
  decision,
  locked,
}: {
  stepKey: string;
  decision: 'approve' | 'reject' | undefined;
  locked: boolean;
}) {
  const words = useWords();
  const decide = (verdict: 'approve' | 'reject'): void => {
    const seen = seenSteps.get(stepKey);
    if (seen !== undefined) void decideSeen(seen, verdict);
  };
  return (
    <div class="decide">
      <button
        type="button"
        class={`button ${decision === 'approve' ? 'primary' : ''}`}
        aria-pressed={decision === 'approve'}
        disabled={locked}
        onClick={() => decide('approve')}
      >
        {words.inbox.approve}
      </button>
      <button
        type="button"
        class="button"
        aria-pressed={decision === 'reject'}
        disabled={locked}
        onClick={() => decide('reject')}
      >
        {words.inbox.reject}
      </button>
      <button
        type="button"
        class="button quiet"
        disabled={locked}
        onClick={() => editing.set(stepKey)}
      >
        <Icon name="edit" />
        <span class="visually-hidden">{words.inbox.edit}</span>
      </button>
    </div>
  );
}
