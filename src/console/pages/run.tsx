import { useEffect, useState } from 'preact/hooks';
import { api, type ApiError } from '../core/api.ts';
import { type Json, type Mission, missions, timeOf } from '../core/missions.ts';
import { useTexts } from '../core/opening.ts';
import { go, missionPath, runPath } from '../core/router.ts';
import { askForRuns, phases, type Round, type Run, runOf, runs } from '../core/runs.ts';
import { useWatched } from '../core/store.ts';
import { number, span, when } from '../core/times.ts';
import { keys, type Keys } from '../core/vault.ts';
import { preferences, useWords } from '../core/words.ts';
import { zoneOfMission } from '../core/cadence-words.ts';
import { ActionBar } from '../parts/action-bar.tsx';
import { PlanCard } from '../parts/plan-card.tsx';
import { Problem, refusalOf } from '../parts/problem.tsx';
import { KeyHelp, watchKeys } from '../parts/shortcuts.tsx';
import { titleOf } from './missions.tsx';

/** One run: how its time was spent, what each round did, what came of it. */
export function RunPage({ missionId, runId }: { missionId: string; runId: string }) {
  const words = useWords();
  const mission = useWatched(missions).value?.get(missionId);
  const known = useWatched(runs);
  const present = useWatched(keys) ?? null;
  useEffect(() => askForRuns(missionId), [missionId]);
  useEffect(watchKeys, []);
  const run = runOf(known, missionId, runId);
  const iteration = mission?.iterations.find(({ id }) => id === runId);
  if (mission === undefined) return <div class="skeleton" />;
  if (run === null && iteration === undefined && known.has(missionId))
    return <p class="lead">{words.run.unknown}</p>;
  return (
    <>
      <Head mission={mission} runId={runId} present={present} iteration={iteration} run={run} />
      {run !== null && <Facts run={run} mission={mission} />}
      {iteration !== undefined && (
        <div class="has-bar">
          <PlanCard mission={mission} iteration={iteration} present={present} />
        </div>
      )}
      {run !== null && <Rounds run={run} />}
      <ActionBar />
    </>
  );
}

function Head({
  mission,
  runId,
  present,
  iteration,
  run,
}: {
  mission: Mission;
  runId: string;
  present: Keys | null;
  iteration: Json | undefined;
  run: Run | null;
}) {
  const words = useWords();
  const { title } = useTexts(present, mission);
  const at = run?.startedAt ?? (iteration === undefined ? '' : timeOf(iteration));
  const known =
    useWatched(runs)
      .get(mission.id)
      ?.runs.map((one) => one.runId) ?? [];
  const ids =
    known.length > 0 ? known : mission.iterations.map(({ id }) => String(id)).toReversed();
  const index = ids.indexOf(runId);
  const [older, newer] = [ids[index + 1], index > 0 ? ids[index - 1] : undefined];
  useNeighbours(mission.id, older, newer);
  return (
    <>
      <div class="tight">
        <a class="small" href={missionPath(mission.id)}>
          {titleOf(words, title, mission)}
        </a>
        <div class="page-head">
          <h1>{when(at, zoneOfMission(mission))}</h1>
          <KeyHelp />
        </div>
      </div>
      <RunAgain mission={mission} />
      <nav class="row" aria-label={words.run.title}>
        {older !== undefined && (
          <a class="button slim" href={runPath(mission.id, older)}>
            {words.run.previous}
          </a>
        )}
        {newer !== undefined && (
          <a class="button slim" href={runPath(mission.id, newer)}>
            {words.run.following}
          </a>
        )}
      </nav>
    </>
  );
}

/** `[` and `]` go to the neighbouring runs. */
function useNeighbours(
  missionId: string,
  older: string | undefined,
  newer: string | undefined,
): void {
  useEffect(() => {
    const onKey = ({ key, target }: KeyboardEvent): void => {
      const typing = target instanceof Element && target.closest('input, textarea, select, dialog');
      const to = key === '[' ? older : key === ']' ? newer : undefined;
      if (!typing && to !== undefined && preferences.value.shortcuts) go(runPath(missionId, to));
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [missionId, older, newer]);
}

function RunAgain({ mission }: { mission: Mission }) {
  const words = useWords();
  const [problem, setProblem] = useState<ApiError | null>(null);
  const running = useWatched(phases).get(mission.id);
  const names: Readonly<Record<string, string>> = words.run.phases;
  const again = async (): Promise<void> => {
    try {
      const path = `/api/v1/me/missions/${encodeURIComponent(mission.id)}/run`;
      await api(path, { method: 'POST', key: crypto.randomUUID() });
      setProblem(null);
    } catch (thrown) {
      setProblem(refusalOf(thrown));
    }
  };
  const busy = running !== undefined || ['queued', 'running'].includes(mission.status);
  return (
    <div class="row">
      <button type="button" class="button" disabled={busy} onClick={() => void again()}>
        {words.run.again}
      </button>
      {busy && (
        <span class="tag yes" role="status">
          {running === undefined ? words.run.live : (names[running.phase] ?? words.run.live)}
        </span>
      )}
      {problem !== null && <Problem problem={problem} />}
    </div>
  );
}

type Span = { kind: 'queue' | 'reading' | 'round' | 'writing' | 'idle'; ms: number; n?: number };

/** How a run's time was spent, in its order. Gaps between rounds are waits. */
function spansOf(run: Run): Span[] {
  const begin = Date.parse(run.startedAt);
  const end = run.finishedAt === undefined ? null : Date.parse(run.finishedAt);
  const spans: Span[] = [];
  if ((run.waitedMs ?? 0) > 0) spans.push({ kind: 'queue', ms: run.waitedMs ?? 0 });
  let at = begin;
  for (const [index, round] of run.rounds.entries()) {
    const gap = Date.parse(round.startedAt) - at;
    if (gap > 0) spans.push({ kind: index === 0 ? 'reading' : 'idle', ms: gap });
    spans.push({ kind: 'round', ms: round.ms, n: index + 1 });
    at = Date.parse(round.startedAt) + round.ms;
  }
  if (end !== null && end > at) spans.push({ kind: 'writing', ms: end - at });
  return spans;
}

/** Waits are compressed: what takes minutes and does nothing must not hide what is done. */
function shareOf({ kind, ms }: Span): number {
  const compressed = kind === 'queue' || kind === 'idle' ? Math.min(ms, 2_000) : ms;
  return Math.max(1, Math.round(Math.sqrt(compressed)));
}

function nameOf(words: ReturnType<typeof useWords>, { kind, n }: Span): string {
  return kind === 'round' ? words.run.round(n ?? 0) : words.run[kind];
}

function Facts({ run, mission }: { run: Run; mission: Mission }) {
  const words = useWords();
  const spans = spansOf(run);
  const problems: Readonly<Record<string, unknown>> = words.problems;
  const failure = run.code === undefined ? undefined : problems[run.code];
  return (
    <section class="card">
      <div class="body">
        {run.code !== undefined && (
          <p class="notice no">
            {typeof failure === 'string' ? failure : run.code}
            <code class="small">{run.code}</code>
          </p>
        )}
        <Bar spans={spans} />
        <ul class="legend numbers">
          {spans.map((one, index) => (
            <li key={index}>
              {nameOf(words, one)} {span(one.ms)}
            </li>
          ))}
        </ul>
        <p class="line numbers">
          {run.model !== undefined && (
            <span>
              {words.privacy.model(
                run.model,
                run.locality === 'remote' ? words.privacy.remote : words.privacy.local,
              )}
            </span>
          )}
          <span>{words.privacy.read(run.opened)}</span>
          {run.dueAt !== undefined && (
            <span>
              {words.fates.pending} {when(run.dueAt, zoneOfMission(mission))}
            </span>
          )}
        </p>
        {run.skipped.length > 0 && (
          <p class="small">
            {words.run.skipped}:{' '}
            {run.skipped.map(({ ref, reason }) => `${ref} (${reason})`).join(', ')}
          </p>
        )}
      </div>
    </section>
  );
}

/** Widths are attributes of a drawing: the policy of this page allows no styles in the document. */
function Bar({ spans }: { spans: readonly Span[] }) {
  const words = useWords();
  const total = spans.reduce((sum, one) => sum + shareOf(one), 0);
  let x = 0;
  return (
    <svg class="run-bar" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img">
      <title>{spans.map((one) => `${nameOf(words, one)} ${span(one.ms)}`).join(', ')}</title>
      {spans.map((one, index) => {
        const width = (shareOf(one) / total) * 1_000;
        const left = x;
        x += width;
        return (
          <rect
            key={index}
            class={one.kind}
            x={left}
            y={0}
            width={Math.max(2, width - 3)}
            height={28}
          />
        );
      })}
    </svg>
  );
}

function Rounds({ run }: { run: Run }) {
  const words = useWords();
  return (
    <ol class="stack">
      {run.rounds.map((round, index) => (
        <li key={round.startedAt} class="card">
          <header>
            <div class="row">
              <h2>{words.run.round(index + 1)}</h2>
              <span class="small soft numbers end">{span(round.ms)}</span>
            </div>
            <p class="line numbers">
              <span>
                {words.privacy.tokens(number(round.promptTokens), number(round.answerTokens))}
                {round.estimated === true && ` (${words.privacy.estimated})`}
              </span>
              <span>{words.run.offered(round.offered)}</span>
            </p>
          </header>
          <RoundFacts round={round} />
        </li>
      ))}
    </ol>
  );
}

function RoundFacts({ round }: { round: Round }) {
  const words = useWords();
  const { reads, proposed, refused, adaptation } = round;
  if (reads.length + proposed.length + refused.length === 0 && !adaptation) return null;
  return (
    <div class="body">
      <dl class="facts">
        {reads.length > 0 && <dt>{words.run.reads}</dt>}
        {reads.length > 0 && (
          <dd>{reads.map(({ tool, items }) => `${tool}: ${words.run.items(items)}`).join(', ')}</dd>
        )}
        {proposed.length > 0 && <dt>{words.run.proposed}</dt>}
        {proposed.length > 0 && <dd>{proposed.join(', ')}</dd>}
        {refused.length > 0 && <dt>{words.run.refused}</dt>}
        {refused.length > 0 && (
          <dd>{refused.map(({ tool, reason }) => `${tool} (${reason})`).join(', ')}</dd>
        )}
        {adaptation && <dt>{words.run.adapted}</dt>}
        {adaptation && <dd>{adaptation}</dd>}
      </dl>
    </div>
  );
}
