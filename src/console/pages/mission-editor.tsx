import { useState } from 'preact/hooks';
import { api, type ApiError } from '../core/api.ts';
import { nextFirings } from '../core/firings.ts';
import { type Mission, missions, tookMission } from '../core/missions.ts';
import { isSealed, sealTexts, useTexts } from '../core/opening.ts';
import { go, missionPath } from '../core/router.ts';
import { useWatched } from '../core/store.ts';
import { when, weekday, zoneOf } from '../core/times.ts';
import { isRecord } from '../../values/fields.ts';
import { keys, type Keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { Problem, refusalOf } from '../parts/problem.tsx';

type Kind = 'manual' | 'interval' | 'daily' | 'weekly' | 'cron';

type Draft = {
  title: string;
  objective: string;
  conceptMarkdown: string;
  kind: Kind;
  time: string;
  dayOfWeek: number;
  everyMinutes: number;
  expression: string;
  timeZone: string;
};

const EMPTY: Draft = {
  title: '',
  objective: '',
  conceptMarkdown: '',
  kind: 'daily',
  time: '09:00',
  dayOfWeek: 1,
  everyMinutes: 60,
  expression: '0 9 * * 1-5',
  timeZone: '',
};

/** Makes a mission, or changes one. Nothing is ever filled in from an address. */
export function MissionEditor({ id }: { id?: string }) {
  const words = useWords();
  const mission = useWatched(missions).value?.get(id ?? '');
  const present = useWatched(keys);
  if (present === undefined || (id !== undefined && mission === undefined))
    return <div class="skeleton" />;
  return (
    <>
      <h1>{id === undefined ? words.missions.new : words.missions.edit}</h1>
      {mission === undefined ? (
        <New present={present} />
      ) : (
        <Change mission={mission} present={present} />
      )}
    </>
  );
}

function New({ present }: { present: Keys | null }) {
  const words = useWords();
  const [draft, setDraft] = useState<Draft | null>(null);
  if (draft !== null) return <Form draft={draft} present={present} />;
  return (
    <>
      <p class="lead">{words.missions.none}</p>
      <ul class="stack">
        {words.missions.samples.map((sample) => (
          <li key={sample.title} class="card">
            <div class="body">
              <div class="row">
                <h2>{sample.title}</h2>
                <button
                  type="button"
                  class="button end"
                  onClick={() => setDraft(draftOf(sample, sample.cadence))}
                >
                  {words.missions.new}
                </button>
              </div>
              <p class="soft">{sample.words}</p>
            </div>
          </li>
        ))}
      </ul>
      <div>
        <button type="button" class="button primary" onClick={() => setDraft(EMPTY)}>
          {words.missions.new}
        </button>
      </div>
    </>
  );
}

function Change({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const texts = useTexts(present, mission);
  if (isSealed(texts)) return <p class="notice">{words.lock.toRead}</p>;
  return <Form draft={draftOf(texts, mission.cadence)} mission={mission} present={present} />;
}

const two = (value: unknown): string => String(Number(value ?? 0)).padStart(2, '0');

function draftOf(
  texts: { title: string; objective: string; conceptMarkdown?: string },
  cadence: unknown,
): Draft {
  const { title, objective, conceptMarkdown = '' } = texts;
  const given = isRecord(cadence) ? cadence : {};
  return {
    ...EMPTY,
    title,
    objective,
    conceptMarkdown,
    kind: (given['kind'] as Kind | undefined) ?? 'manual',
    ...(given['atHour'] === undefined
      ? {}
      : { time: `${two(given['atHour'])}:${two(given['atMinute'])}` }),
    ...(typeof given['dayOfWeek'] === 'number' ? { dayOfWeek: given['dayOfWeek'] } : {}),
    ...(typeof given['everyMinutes'] === 'number' ? { everyMinutes: given['everyMinutes'] } : {}),
    ...(typeof given['expression'] === 'string' ? { expression: given['expression'] } : {}),
    timeZone: typeof given['timeZone'] === 'string' ? given['timeZone'] : '',
  };
}

function cadenceOf(draft: Draft): Record<string, unknown> {
  const { kind, time, dayOfWeek, everyMinutes, expression, timeZone } = draft;
  const [atHour = 0, atMinute = 0] = time.split(':').map(Number);
  const zone = { timeZone: timeZone === '' ? zoneOf() : timeZone };
  if (kind === 'manual') return { kind };
  if (kind === 'interval') return { kind, everyMinutes };
  if (kind === 'cron') return { kind, expression, ...zone };
  return kind === 'daily'
    ? { kind, atHour, atMinute, ...zone }
    : { kind, dayOfWeek, atHour, atMinute, ...zone };
}

/** Whether the person's missions are encrypted: then so is this one. */
function sealsTexts(all: ReadonlyMap<string, Mission> | undefined): boolean {
  return [...(all?.values() ?? [])].some(({ title, objective }) => isSealed([title, objective]));
}

function Form({
  draft: first,
  mission,
  present,
}: {
  draft: Draft;
  mission?: Mission;
  present: Keys | null;
}) {
  const words = useWords();
  const [draft, setDraft] = useState(first);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const all = useWatched(missions).value;
  const set = (change: Partial<Draft>): void => setDraft({ ...draft, ...change });
  const mustSeal =
    mission === undefined ? sealsTexts(all) : isSealed([mission.title, mission.objective]);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const id = mission?.id ?? crypto.randomUUID();
    const { title, objective, conceptMarkdown } = draft;
    const plain = { title, objective, conceptMarkdown };
    const texts =
      mustSeal && present !== null ? await sealTexts(present, id, filled(plain)) : filled(plain);
    const body = { ...texts, cadence: cadenceOf(draft) };
    try {
      const answer = await api<{ mission: Mission }>(
        mission === undefined
          ? '/api/v1/me/missions'
          : `/api/v1/me/missions/${encodeURIComponent(id)}`,
        {
          method: mission === undefined ? 'POST' : 'PATCH',
          body: mission === undefined ? { id, ...body } : body,
          key: crypto.randomUUID(),
        },
      );
      tookMission(answer.mission);
      go(missionPath(id));
    } catch (thrown) {
      setProblem(refusalOf(thrown));
    }
  };
  const locked = mustSeal && present === null;
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <label class="field">
        {words.missions.name}
        <input
          required
          maxLength={200}
          value={draft.title}
          onInput={({ currentTarget }) => set({ title: currentTarget.value })}
        />
      </label>
      <label class="field">
        {words.missions.objective}
        <textarea
          required
          value={draft.objective}
          onInput={({ currentTarget }) => set({ objective: currentTarget.value })}
        />
      </label>
      <label class="field">
        {words.missions.concept}
        <textarea
          value={draft.conceptMarkdown}
          onInput={({ currentTarget }) => set({ conceptMarkdown: currentTarget.value })}
        />
      </label>
      <CadenceFields draft={draft} set={set} />
      <Preview draft={draft} id={mission?.id ?? ''} />
      {problem !== null && <Problem problem={problem} />}
      {locked && <p class="notice">{words.lock.toRead}</p>}
      <div class="row">
        <button class="button primary" disabled={locked}>
          {mission === undefined ? words.missions.create : words.missions.save}
        </button>
        <a
          class="button quiet"
          href={mission === undefined ? '/missions' : missionPath(mission.id)}
        >
          {words.missions.discard}
        </a>
      </div>
    </form>
  );
}

/** Texts that say something: an empty one is no ciphertext. */
function filled(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ''));
}

function CadenceFields({ draft, set }: { draft: Draft; set: (change: Partial<Draft>) => void }) {
  const words = useWords();
  const { kind } = draft;
  const timed = kind === 'daily' || kind === 'weekly';
  return (
    <div class="fields">
      <label class="field">
        {words.missions.cadence}
        <select
          value={kind}
          onChange={({ currentTarget }) => set({ kind: currentTarget.value as Kind })}
        >
          {Object.entries(words.missions.kinds).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {kind === 'weekly' && (
        <label class="field">
          {words.missions.day}
          <select
            value={String(draft.dayOfWeek)}
            onChange={({ currentTarget }) => set({ dayOfWeek: Number(currentTarget.value) })}
          >
            {[1, 2, 3, 4, 5, 6, 0].map((day) => (
              <option key={day} value={String(day)}>
                {weekday(day)}
              </option>
            ))}
          </select>
        </label>
      )}
      {timed && (
        <label class="field">
          {words.missions.time}
          <input
            type="time"
            required
            value={draft.time}
            onInput={({ currentTarget }) => set({ time: currentTarget.value })}
          />
        </label>
      )}
      {kind === 'interval' && (
        <label class="field">
          {words.missions.every}
          <input
            type="number"
            min={1}
            required
            value={draft.everyMinutes}
            onInput={({ currentTarget }) => set({ everyMinutes: currentTarget.valueAsNumber })}
          />
        </label>
      )}
      {kind === 'cron' && (
        <label class="field">
          {words.missions.cron}
          <input
            class="code"
            required
            value={draft.expression}
            onInput={({ currentTarget }) => set({ expression: currentTarget.value })}
          />
        </label>
      )}
      {(timed || kind === 'cron') && (
        <label class="field">
          {words.missions.zone}
          <input
            list="zones"
            placeholder={zoneOf()}
            value={draft.timeZone}
            onInput={({ currentTarget }) => set({ timeZone: currentTarget.value })}
          />
          <datalist id="zones">
            {Intl.supportedValuesOf('timeZone').map((zone) => (
              <option key={zone} value={zone} />
            ))}
          </datalist>
        </label>
      )}
    </div>
  );
}

function Preview({ draft, id }: { draft: Draft; id: string }) {
  const words = useWords();
  if (draft.kind === 'manual') return null;
  const next = nextFirings(cadenceOf(draft), id, 5);
  return (
    <div class="tight" role="status">
      <h2>{words.missions.firings}</h2>
      {next.length === 0 ? (
        <p class="notice warn">{words.missions.invalid}</p>
      ) : (
        <ol class="line numbers">
          {next.map((at) => (
            <li key={at}>{when(at, draft.timeZone === '' ? null : draft.timeZone)}</li>
          ))}
        </ol>
      )}
    </div>
  );
}
