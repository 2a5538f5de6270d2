import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../core/api.ts';
import {
  DAY_MS,
  type Grant,
  grant,
  grants,
  isLive,
  KeysDiffer,
  loadGrants,
  revoke,
  wantedRecords,
} from '../core/grants.ts';
import { type Mission, missions, tookMission } from '../core/missions.ts';
import { useTexts } from '../core/opening.ts';
import { missionPath } from '../core/router.ts';
import { usePromise, useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import { keys, type Keys, type VaultStatus, vaultStatus } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { confirm } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { titleOf } from './missions.tsx';

const SOON_MS = 3 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;

/** What missions may read, like a phone's permissions. */
export function Grants() {
  const words = useWords();
  const all = useWatched(grants);
  const { value } = useWatched(missions);
  const present = useWatched(keys) ?? null;
  const vault = usePromise(vaultStatus, 'vault');
  const [problem, setProblem] = useState<ApiError | string | null>(null);
  const load = (): void => void attempt(loadGrants, setProblem);
  useEffect(load, []);
  const live = (all ?? [])
    .filter(isLive)
    .toSorted((a, b) => a.expiresAt.localeCompare(b.expiresAt));
  const over = (all ?? []).filter((one) => !isLive(one)).slice(0, 20);
  const granted = new Set(live.map(({ missionId }) => missionId));
  const without = [...(value?.values() ?? [])].filter(
    (mission) =>
      !granted.has(mission.id) && mission.state !== 'archived' && wantedRecords(mission).length > 0,
  );
  const shared = { present, vault, setProblem };
  return (
    <>
      <div class="tight">
        <h1>{words.grants.title}</h1>
        <p class="lead">{words.grants.lead}</p>
      </div>
      {problem !== null &&
        (typeof problem === 'string' ? (
          <p class="notice no" role="alert">
            {problem}
          </p>
        ) : (
          <Problem problem={problem} again={load} />
        ))}
      {all !== undefined && live.length === 0 && <p class="soft">{words.grants.none}</p>}
      {live.map((one) => (
        <GrantCard key={one.grantId} one={one} mission={value?.get(one.missionId)} {...shared} />
      ))}
      {without.length > 0 && (
        <section class="tight">
          <h2>{words.grants.give}</h2>
          <ul class="card list">
            {without.map((mission) => (
              <Give key={mission.id} mission={mission} {...shared} />
            ))}
          </ul>
        </section>
      )}
      {over.length > 0 && <Over over={over} />}
    </>
  );
}

type Shared = {
  present: Keys | null;
  vault: VaultStatus | undefined;
  setProblem: (problem: ApiError | string | null) => void;
};

async function attempt(
  work: () => Promise<void>,
  setProblem: Shared['setProblem'],
  differ = '',
): Promise<void> {
  try {
    await work();
    setProblem(null);
  } catch (thrown) {
    if (thrown instanceof ApiError) setProblem(thrown);
    else if (thrown instanceof KeysDiffer) setProblem(differ);
    else throw thrown;
  }
}

function MissionName({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const { title } = useTexts(present, mission);
  return <a href={missionPath(mission.id)}>{titleOf(words, title, mission)}</a>;
}

function GrantCard({
  one,
  mission,
  present,
  vault,
  setProblem,
}: Shared & { one: Grant; mission: Mission | undefined }) {
  const words = useWords();
  const soon = Date.parse(one.expiresAt) - Date.now() < SOON_MS;
  const zeroKnowledge = vault?.zeroKnowledge === true;
  const again = (change: { llm?: 'any' | 'local'; ttlMs: number }): void => {
    if (mission === undefined) return;
    const wish = {
      mission,
      records: one.records,
      llm: one.llm,
      zeroKnowledge,
      keys: present,
      ...change,
    };
    const work = async (): Promise<void> => {
      tookMission(await grant(wish));
      await revoke(one.grantId);
    };
    void attempt(work, setProblem, words.grants.keysDiffer);
  };
  const end = async (): Promise<void> => {
    const question = { title: words.grants.revoke, body: words.grants.revokeSure };
    if (await confirm({ ...question, yes: words.grants.revoke, danger: true }))
      await attempt(() => revoke(one.grantId), setProblem);
  };
  const leftMs = Math.max(3_600_000, Date.parse(one.expiresAt) - Date.now());
  const locked = zeroKnowledge && present === null;
  return (
    <article class="card" data-grant={one.grantId}>
      <header>
        <div class="row">
          <h2>
            {mission === undefined ? (
              one.missionId
            ) : (
              <MissionName mission={mission} present={present} />
            )}
          </h2>
          {soon && (
            <span class="tag warn end">
              <Icon name="clock" />
              {words.grants.soon}
            </span>
          )}
        </div>
        <p class="line">
          <span>{words.grants.until(when(one.expiresAt))}</span>
          <span>{one.llm === 'local' ? words.grants.localOnly : words.grants.anyModel}</span>
          <span>
            {one.records.length === 0
              ? words.grants.alone
              : words.grants.records(one.records.length)}
          </span>
        </p>
      </header>
      <div class="body">
        <RecordNames records={one.records} />
        {locked && <p class="small soft">{words.grants.needsUnlock}</p>}
        <div class="row">
          <button
            type="button"
            class="button"
            disabled={locked || mission === undefined || vault === undefined}
            onClick={() => again({ ttlMs: Math.min(30 * DAY_MS, leftMs + WEEK_MS) })}
          >
            {words.grants.extend}
          </button>
          <button
            type="button"
            class="button"
            disabled={locked || mission === undefined || vault === undefined}
            onClick={() => again({ llm: one.llm === 'local' ? 'any' : 'local', ttlMs: leftMs })}
          >
            {one.llm === 'local' ? words.grants.anyModel : words.grants.localOnly}
          </button>
          <button type="button" class="button quiet danger" onClick={() => void end()}>
            {words.grants.revoke}
          </button>
        </div>
      </div>
    </article>
  );
}

function RecordNames({ records }: { records: readonly string[] }) {
  const words = useWords();
  if (records.length === 0) return null;
  return (
    <details>
      <summary>{words.grants.reads}</summary>
      <ul class="tight small">
        {records.map((name) => (
          <li key={name}>
            <code>{name}</code>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** A mission without a grant: what it would read, for how long, by which model. */
function Give({ mission, present, vault, setProblem }: Shared & { mission: Mission }) {
  const words = useWords();
  const [days, setDays] = useState(7);
  const [llm, setLlm] = useState<'any' | 'local'>('any');
  const [busy, setBusy] = useState(false);
  const records = wantedRecords(mission);
  const zeroKnowledge = vault?.zeroKnowledge === true;
  const locked = zeroKnowledge && present === null;
  const give = async (): Promise<void> => {
    setBusy(true);
    const wish = { mission, records, llm, ttlMs: days * DAY_MS, zeroKnowledge, keys: present };
    const work = async (): Promise<void> => tookMission(await grant(wish));
    await attempt(work, setProblem, words.grants.keysDiffer);
    setBusy(false);
  };
  return (
    <li id={encodeURIComponent(mission.id)}>
      <details open={location.hash === `#${encodeURIComponent(mission.id)}`}>
        <summary>
          <MissionSummary mission={mission} present={present} />
        </summary>
        <div class="stack">
          <div class="tight small">
            <p class="soft">{words.grants.reads}</p>
            <ul>
              {records.map((name) => (
                <li key={name}>
                  <code>{name}</code>
                </li>
              ))}
            </ul>
          </div>
          <div class="fields">
            <label class="field">
              {words.grants.days}
              <select
                value={String(days)}
                onChange={({ currentTarget }) => setDays(Number(currentTarget.value))}
              >
                {[1, 7, 14, 30].map((count) => (
                  <option key={count} value={String(count)}>
                    {words.grants.day(count)}
                  </option>
                ))}
              </select>
            </label>
            <label class="field">
              {words.grants.model}
              <select
                value={llm}
                onChange={({ currentTarget }) =>
                  setLlm(currentTarget.value === 'local' ? 'local' : 'any')
                }
              >
                <option value="any">{words.grants.anyModel}</option>
                <option value="local">{words.grants.localOnly}</option>
              </select>
            </label>
          </div>
          {locked && <p class="small soft">{words.grants.needsUnlock}</p>}
          <div>
            <button
              type="button"
              class="button primary"
              disabled={locked || busy || vault === undefined}
              onClick={() => void give()}
            >
              {busy ? words.grants.giving : words.grants.give}
            </button>
          </div>
        </div>
      </details>
    </li>
  );
}

function MissionSummary({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const { title } = useTexts(present, mission);
  return <>{titleOf(words, title, mission)}</>;
}

function Over({ over }: { over: readonly Grant[] }) {
  const words = useWords();
  return (
    <details>
      <summary>{words.grants.over}</summary>
      <ul class="card list">
        {over.map((one) => (
          <li key={one.grantId}>
            <p class="line">
              <span>{one.missionId}</span>
              <span>
                {one.revokedAt === undefined
                  ? words.grants.ended(when(one.expiresAt))
                  : words.grants.revoked(when(one.revokedAt))}
              </span>
              <span>{words.grants.records(one.records.length)}</span>
            </p>
          </li>
        ))}
      </ul>
    </details>
  );
}
