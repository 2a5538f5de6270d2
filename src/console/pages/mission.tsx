import { useEffect, useState } from 'preact/hooks';
import { type Agent, agentOf, changeAgent } from '../core/agents.ts';
import { api, type ApiError } from '../core/api.ts';
import { cadenceWords, zoneOfMission } from '../core/cadence-words.ts';
import { nextFirings } from '../core/firings.ts';
import {
  ITERATIONS_LISTED,
  type Json,
  type Mission,
  missions,
  stepsOf,
  timeOf,
  tookMission,
} from '../core/missions.ts';
import { useOpened, useTexts } from '../core/opening.ts';
import { go, missionPath, runPath } from '../core/router.ts';
import { askForRuns, phases } from '../core/runs.ts';
import { usePromise, useWatched } from '../core/store.ts';
import { number, when } from '../core/times.ts';
import { keys, type Keys } from '../core/vault.ts';
import { waitingOf } from '../core/waiting.ts';
import { useWords } from '../core/words.ts';
import { confirm } from '../parts/dialog.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem, refusalOf } from '../parts/problem.tsx';
import { StatusTag, titleOf } from './missions.tsx';

/** One mission: its words, its times, what became of them. */
export function MissionPage({ id }: { id: string }) {
  const words = useWords();
  const { value } = useWatched(missions);
  const present = useWatched(keys) ?? null;
  const mission = value?.get(id);
  useEffect(() => askForRuns(id), [id]);
  if (value === undefined) return <div class="skeleton" />;
  if (mission === undefined) return <p class="lead">{words.missions.unknown}</p>;
  return <Known mission={mission} present={present} />;
}

function Known({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const { title, objective, conceptMarkdown } = useTexts(present, mission);
  const waiting = waitingOf(words, mission);
  const running = useWatched(phases).get(mission.id);
  const phaseNames: Readonly<Record<string, string>> = words.run.phases;
  const sealed = (text: string): string => (text.startsWith('enc:') ? words.lock.sealed : text);
  return (
    <>
      <div class="page-head">
        <h1>{titleOf(words, title, mission)}</h1>
        <StatusTag mission={mission} />
      </div>
      <Actions mission={mission} />
      {running !== undefined && (
        <p class="notice yes" role="status">
          {phaseNames[running.phase] ?? words.run.live}
        </p>
      )}
      {waiting !== null && (
        <p class="notice warn">
          <Icon name="clock" />
          {waiting.sentence}
          {waiting.remedy !== null && <a href={waiting.remedy.href}>{waiting.remedy.words}</a>}
        </p>
      )}
      <section class="card">
        <div class="body">
          <dl class="facts">
            <dt>{words.missions.objective}</dt>
            <dd>{sealed(objective)}</dd>
            {conceptMarkdown !== '' && <dt>{words.missions.concept}</dt>}
            {conceptMarkdown !== '' && <dd>{sealed(conceptMarkdown)}</dd>}
            <dt>{words.missions.cadence}</dt>
            <dd>{cadenceWords(words, mission.cadence)}</dd>
            <dt>{words.missions.inputs}</dt>
            <dd>
              <Inputs mission={mission} />
            </dd>
          </dl>
          <AgentLine mission={mission} />
        </div>
      </section>
      <Firings mission={mission} />
      <Plans mission={mission} present={present} />
      <Moments mission={mission} />
    </>
  );
}

function Inputs({ mission }: { mission: Mission }) {
  const words = useWords();
  const { inputs = [] } = mission;
  if (inputs.length === 0) return <>{words.missions.noInputs}</>;
  return (
    <ul class="tight">
      {inputs.map(({ module, table, id }) => (
        <li key={`${table}:${id}`}>
          <a href={`/records/${encodeURIComponent(module)}#${encodeURIComponent(id)}`}>
            {words.modules[module] ?? module}
          </a>{' '}
          <code class="small soft">{id}</code>
        </li>
      ))}
    </ul>
  );
}

function AgentLine({ mission }: { mission: Mission }) {
  const words = useWords();
  const [turn, setTurn] = useState(0);
  const agent = usePromise<Agent | null>(
    () => agentOf(mission.agentId ?? null),
    `${mission.agentId ?? ''} ${turn}`,
  );
  if (!agent) return null;
  const { usedTokens24h: used, maxTokensPerDay: most } = agent;
  const resume = async (): Promise<void> => {
    await changeAgent(agent.id, { state: 'active' });
    setTurn(turn + 1);
  };
  return (
    <p class="line">
      <span>
        {words.missions.agent}: {agent.name}
      </span>
      {used !== undefined && most !== undefined && most !== null && (
        <span class="numbers">{words.missions.agentTokens(number(used), number(most))}</span>
      )}
      {agent.state !== 'active' && (
        <button type="button" class="button slim" onClick={() => void resume()}>
          {words.actions.resumeAgent}
        </button>
      )}
    </p>
  );
}

function Actions({ mission }: { mission: Mission }) {
  const words = useWords();
  const [problem, setProblem] = useState<ApiError | null>(null);
  const path = `/api/v1/me/missions/${encodeURIComponent(mission.id)}`;
  const act = async (what: 'run' | 'pause' | 'resume' | 'cancel'): Promise<void> => {
    try {
      const answer = await api<{ mission?: Mission }>(`${path}/${what}`, {
        method: 'POST',
        key: crypto.randomUUID(),
      });
      if (answer.mission !== undefined) tookMission(answer.mission);
      setProblem(null);
    } catch (thrown) {
      setProblem(refusalOf(thrown));
    }
  };
  const remove = async (): Promise<void> => {
    const { title, removeSure: body } = { ...words.missions, title: words.missions.remove };
    if (!(await confirm({ title, body, yes: words.missions.remove, danger: true }))) return;
    try {
      await api(path, { method: 'DELETE', key: crypto.randomUUID() });
      go('/missions');
    } catch (thrown) {
      setProblem(refusalOf(thrown));
    }
  };
  const active = mission.state === 'active';
  return (
    <>
      <div class="row">
        {active && mission.status !== 'running' && (
          <button type="button" class="button primary" onClick={() => void act('run')}>
            {words.missions.run}
          </button>
        )}
        {mission.status === 'running' && (
          <button type="button" class="button" onClick={() => void act('cancel')}>
            {words.missions.cancel}
          </button>
        )}
        <button type="button" class="button" onClick={() => void act(active ? 'pause' : 'resume')}>
          {active ? words.missions.pause : words.missions.resume}
        </button>
        <a class="button" href={`${missionPath(mission.id)}/edit`}>
          {words.missions.edit}
        </a>
        <button type="button" class="button quiet danger" onClick={() => void remove()}>
          {words.missions.remove}
        </button>
      </div>
      {problem !== null && <Problem problem={problem} />}
    </>
  );
}

function Firings({ mission }: { mission: Mission }) {
  const words = useWords();
  const next = mission.next ?? nextFirings(mission.cadence, mission.id, 5);
  if (next.length === 0 || mission.state !== 'active') return null;
  const zone = zoneOfMission(mission);
  return (
    <section class="tight">
      <h2>{words.missions.firings}</h2>
      <ol class="line numbers">
        {next.map((at) => (
          <li key={at}>{when(at, zone)}</li>
        ))}
      </ol>
    </section>
  );
}

const SHOWN_AT_FIRST = 10;

/** A list holds so many of each mission; there may be older ones where it is full. */
function cursorOf({ iterations }: Mission): string | undefined {
  return iterations.length < ITERATIONS_LISTED ? undefined : String(iterations[0]?.['id']);
}

function Plans({ mission, present }: { mission: Mission; present: Keys | null }) {
  const words = useWords();
  const [shown, setShown] = useState(SHOWN_AT_FIRST);
  const [older, setOlder] = useState<{ all: Json[]; next: string | undefined }>({
    all: [],
    next: cursorOf(mission),
  });
  const all = [...mission.iterations, ...older.all].toSorted((a, b) => timeOf(b) - timeOf(a));
  if (all.length === 0) return null;
  const more = async (): Promise<void> => {
    setShown(shown + 20);
    if (shown + 20 < all.length || older.next === undefined) return;
    const path = `/api/v1/me/missions/${encodeURIComponent(mission.id)}?iterations=20&before=${encodeURIComponent(older.next)}`;
    const answer = await api<{ mission: Mission; next?: string }>(path);
    setOlder({
      all: [...older.all, ...answer.mission.iterations],
      next: answer.next,
    });
  };
  return (
    <section class="tight">
      <h2>{words.missions.plans}</h2>
      <ul class="card list">
        {all.slice(0, shown).map((iteration) => (
          <PlanRow
            key={String(iteration['id'])}
            mission={mission}
            iteration={iteration}
            present={present}
          />
        ))}
      </ul>
      {(all.length > shown || older.next !== undefined) && (
        <div>
          <button type="button" class="button" onClick={() => void more()}>
            {words.missions.older}
          </button>
        </div>
      )}
    </section>
  );
}

function PlanRow({
  mission,
  iteration,
  present,
}: {
  mission: Mission;
  iteration: Json;
  present: Keys | null;
}) {
  const words = useWords();
  const { iteration: readable, opened } = useOpened(present, mission.id, iteration);
  const steps = stepsOf(readable);
  const decided = steps.filter(({ status }) => status === 'approved' || status === 'rejected');
  const summary = typeof readable['summary'] === 'string' ? readable['summary'] : '';
  return (
    <li>
      <div class="row">
        <a href={runPath(mission.id, String(iteration['id']))}>
          {when(timeOf(iteration), zoneOfMission(mission))}
        </a>
        <span class={`tag ${iteration['overallStatus'] === 'failed' ? 'no' : ''}`}>
          {iteration['overallStatus'] === 'failed'
            ? words.fates.failed
            : words.inbox.done(decided.length, steps.length)}
        </span>
      </div>
      <p class="soft small">{opened ? summary : words.lock.toRead}</p>
    </li>
  );
}

function Moments({ mission }: { mission: Mission }) {
  const words = useWords();
  const fates: Readonly<Record<string, string>> = words.fates;
  if (mission.occurrences.length === 0) return null;
  return (
    <section class="tight">
      <h2>{words.missions.moments}</h2>
      <ul class="card list">
        {mission.occurrences
          .slice(-10)
          .toReversed()
          .map(({ dueAt, fate, reason, runId }) => (
            <li key={`${dueAt} ${fate}`}>
              <p class="line numbers">
                <span>{when(dueAt, zoneOfMission(mission))}</span>
                <span>
                  {runId === undefined ? (
                    (fates[fate] ?? fate)
                  ) : (
                    <a href={runPath(mission.id, runId)}>{fates[fate] ?? fate}</a>
                  )}
                </span>
                {reason !== undefined && <span>{reason}</span>}
              </p>
            </li>
          ))}
      </ul>
    </section>
  );
}
