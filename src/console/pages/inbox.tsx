import { useEffect } from 'preact/hooks';
import { loadMissions, type Mission, missions, waitingPlans } from '../core/missions.ts';
import { missionPath } from '../core/router.ts';
import { useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import { keys, type Keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { useTexts } from '../core/opening.ts';
import { ActionBar } from '../parts/action-bar.tsx';
import { Icon } from '../parts/icon.tsx';
import { KeyHelp, watchKeys } from '../parts/shortcuts.tsx';
import { OfferPasskey } from '../parts/offer-passkey.tsx';
import { PlanCard } from '../parts/plan-card.tsx';
import { Problem } from '../parts/problem.tsx';
import { zoneOfMission } from '../core/cadence-words.ts';

/** What waits for a decision. */
export function Inbox() {
  const words = useWords();
  const { value, problem } = useWatched(missions);
  const present = useWatched(keys) ?? null;
  useEffect(watchKeys, []);
  const plans = value === undefined ? [] : waitingPlans(value);
  return (
    <>
      <div class="page-head">
        <h1>{words.inbox.title}</h1>
        <KeyHelp />
      </div>
      {problem !== null && <Problem problem={problem} again={() => void loadMissions()} />}
      <OfferPasskey />
      {value === undefined && problem === null && (
        <div class="skeleton" aria-label={words.common.loading} role="img" />
      )}
      {value !== undefined && plans.length === 0 && (
        <Empty all={[...value.values()]} present={present} />
      )}
      <div class="stack has-bar">
        {plans.map(({ mission, iteration }) => (
          <PlanCard
            key={String(iteration['id'])}
            mission={mission}
            iteration={iteration}
            present={present}
          />
        ))}
      </div>
      <ActionBar />
    </>
  );
}

function Empty({ all, present }: { all: readonly Mission[]; present: Keys | null }) {
  const words = useWords();
  const [next] = all
    .filter(({ nextRunAt, state }) => nextRunAt !== null && state === 'active')
    .toSorted((a, b) => (a.nextRunAt ?? '').localeCompare(b.nextRunAt ?? ''));
  return (
    <div class="empty">
      <Icon name="leaf" />
      <h2>{words.inbox.empty}</h2>
      {next === undefined ? (
        <p class="soft">{words.inbox.nothingPlanned}</p>
      ) : (
        <NextUp mission={next} present={present} />
      )}
    </div>
  );
}

function NextUp({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const { title } = useTexts(present, mission);
  const name = title.startsWith('enc:') ? words.lock.sealed : title;
  const at = when(mission.nextRunAt ?? '', zoneOfMission(mission));
  return (
    <p class="soft">
      <a href={missionPath(mission.id)}>{words.inbox.next(name, at)}</a>
    </p>
  );
}
