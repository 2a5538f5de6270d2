import { useLayoutEffect, useState } from 'preact/hooks';
import { batches, marks, outcomes, send } from '../core/decisions.ts';
import { isOpen, type Json, type Mission, stepsOf, timeOf } from '../core/missions.ts';
import { useOpened, useTexts } from '../core/opening.ts';
import { missionPath, runPath } from '../core/router.ts';
import { askForRuns, runOf, runs } from '../core/runs.ts';
import { seenSteps } from '../core/seen-steps.ts';
import { useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import type { Keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { zoneOfMission } from '../core/cadence-words.ts';
import { approveAllOf } from './approve-all.tsx';
import { Changed } from './changed.tsx';
import { PrivacyLine } from './privacy-line.tsx';
import { StepRow } from './step-row.tsx';
import { unlock } from './unlock.tsx';
import { Icon } from './icon.tsx';

/** A plan: what it is about, its steps, and what is sent of it. */
export function PlanCard({
  mission,
  iteration,
  present,
}: {
  mission: Mission;
  iteration: Json;
  present: Keys | null;
}) {
  const words = useWords();
  const id = String(iteration['id']);
  const { title } = useTexts(present, mission);
  const { iteration: readable, opened } = useOpened(present, mission.id, iteration);
  const known = useWatched(runs);
  useLayoutEffect(() => askForRuns(mission.id), [mission.id]);
  const name = title.startsWith('enc:') ? words.lock.sealed : title || mission.objective;
  const summary = typeof readable['summary'] === 'string' ? readable['summary'] : '';
  const steps = stepsOf(iteration);
  const shown = stepsOf(readable);
  const open = steps.filter(isOpen);
  return (
    <article class="card plan" aria-labelledby={`plan-${id}`} data-plan={id}>
      <header>
        <div class="row">
          <h2 id={`plan-${id}`}>
            <a href={missionPath(mission.id)}>{name}</a>
          </h2>
          <a class="small soft end" href={runPath(mission.id, id)}>
            {when(timeOf(iteration), zoneOfMission(mission))}
          </a>
        </div>
        {opened && summary !== '' && <p>{summary}</p>}
        {!opened && (
          <div class="row">
            <p class="soft">{words.lock.toRead}</p>
            {present === null && (
              <button type="button" class="button slim" onClick={() => void unlock()}>
                <Icon name="lock" />
                {words.lock.unlock}
              </button>
            )}
          </div>
        )}
        <PrivacyLine run={runOf(known, mission.id, id)} />
      </header>
      <ChangedSteps iterationId={id} mission={mission} iteration={iteration} present={present} />
      <ol>
        {steps.map((step, index) => (
          <li key={String(step['id'])}>
            <StepRow
              mission={mission}
              iteration={iteration}
              step={step}
              readable={opened ? (shown[index] ?? null) : null}
              place={{ n: index + 1, all: steps.length }}
              present={present}
            />
          </li>
        ))}
      </ol>
      {open.length > 0 && <Sending mission={mission} iterationId={id} opened={opened} />}
    </article>
  );
}

function ChangedSteps(props: {
  iterationId: string;
  mission: Mission;
  iteration: Json;
  present: Keys | null;
}) {
  const told = useWatched(outcomes);
  const changed = told.flatMap((outcome) =>
    outcome.kind === 'changed' && outcome.iterationId === props.iterationId ? [outcome] : [],
  );
  return (
    <>
      {changed.map((outcome) => (
        <Changed key={outcome.stepId} {...props} stepId={outcome.stepId} before={outcome.before} />
      ))}
    </>
  );
}

/** Marks, a comment, and sending both. */
function Sending({
  mission,
  iterationId,
  opened,
}: {
  mission: Mission;
  iterationId: string;
  opened: boolean;
}) {
  const words = useWords();
  const marked = [...useWatched(marks).values()].filter((mark) => mark.iterationId === iterationId);
  const sending = useWatched(batches).some((batch) => batch.iterationId === iterationId);
  const [feedback, setFeedback] = useState('');
  const sendAll = async (event: Event): Promise<void> => {
    event.preventDefault();
    await send(mission.id, iterationId, feedback.trim());
    setFeedback('');
  };
  if (!opened) return null;
  const nothing = marked.length === 0 && feedback.trim() === '';
  return (
    <footer>
      <form class="tight" data-send={iterationId} onSubmit={(event) => void sendAll(event)}>
        <label class="field">
          {words.inbox.comment}
          <textarea
            rows={1}
            data-comment
            placeholder={words.inbox.commentHint}
            value={feedback}
            onInput={({ currentTarget }) => setFeedback(currentTarget.value)}
          />
        </label>
        <div class="row">
          <button class="button primary" disabled={nothing || sending}>
            {words.inbox.send(marked.length)}
          </button>
          <button
            type="button"
            class="button quiet"
            onClick={() => void approveAllOf(words, iterationId)}
          >
            {words.inbox.approveAll(countOf(iterationId))}
          </button>
        </div>
      </form>
    </footer>
  );
}

function countOf(iterationId: string): number {
  return [...seenSteps.values()].filter(
    ({ iteration, step, readable, single }) =>
      iteration['id'] === iterationId && isOpen(step) && readable !== null && !single,
  ).length;
}
