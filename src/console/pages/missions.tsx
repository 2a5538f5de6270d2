import { cadenceWords, zoneOfMission } from '../core/cadence-words.ts';
import { loadMissions, type Mission, missions } from '../core/missions.ts';
import { useTexts } from '../core/opening.ts';
import { missionPath } from '../core/router.ts';
import { useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import { keys, type Keys } from '../core/vault.ts';
import { waitingOf } from '../core/waiting.ts';
import { useWords } from '../core/words.ts';
import type { Words } from '../words/en.ts';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';

/** All missions, one row each; why one does not run stands in its row. */
export function Missions() {
  const words = useWords();
  const { value, problem } = useWatched(missions);
  const present = useWatched(keys) ?? null;
  const all = value === undefined ? [] : [...value.values()].toSorted(byNextTime);
  return (
    <>
      <div class="page-head">
        <h1>{words.missions.title}</h1>
        <a class="button primary actions" href="/missions/new">
          {words.missions.new}
        </a>
      </div>
      {problem !== null && <Problem problem={problem} again={() => void loadMissions()} />}
      {value !== undefined && all.length === 0 && <p class="lead">{words.missions.none}</p>}
      {all.length > 0 && (
        <ul class="card list">
          {all.map((mission) => (
            <Row key={mission.id} mission={mission} present={present} />
          ))}
        </ul>
      )}
    </>
  );
}

function byNextTime(a: Mission, b: Mission): number {
  const last = '9999';
  return (a.nextRunAt ?? last).localeCompare(b.nextRunAt ?? last) || a.id.localeCompare(b.id);
}

function Row({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const { title } = useTexts(present, mission);
  const waiting = waitingOf(words, mission);
  const zone = zoneOfMission(mission);
  return (
    <li data-mission={mission.id}>
      <div class="row">
        <a class="title" href={missionPath(mission.id)}>
          {titleOf(words, title, mission)}
        </a>
        <StatusTag mission={mission} />
      </div>
      <p class="line">
        <span>{cadenceWords(words, mission.cadence)}</span>
        <span>
          {mission.nextRunAt === null || mission.state !== 'active'
            ? words.missions.noNext
            : words.missions.next(when(mission.nextRunAt, zone))}
        </span>
      </p>
      {waiting !== null && (
        <p class="notice warn small">
          <Icon name="clock" />
          {waiting.sentence}
          {waiting.remedy !== null && <a href={waiting.remedy.href}>{waiting.remedy.words}</a>}
        </p>
      )}
    </li>
  );
}

export function titleOf(words: Words, title: string, mission: Mission): string {
  if (title.startsWith('enc:')) return words.lock.sealed;
  return title === '' ? mission.objective.slice(0, 80) || mission.id : title;
}

export function StatusTag({ mission }: { mission: Mission }) {
  const words = useWords();
  const states: Readonly<Record<string, string>> = words.missions.states;
  const statuses: Readonly<Record<string, string>> = words.missions.statuses;
  if (mission.state !== 'active')
    return <span class="tag">{states[mission.state] ?? mission.state}</span>;
  const kind = mission.status === 'running' ? 'yes' : mission.status === 'waiting' ? 'warn' : '';
  return <span class={`tag ${kind}`}>{statuses[mission.status] ?? mission.status}</span>;
}
