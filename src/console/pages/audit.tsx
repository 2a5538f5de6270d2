import { useEffect, useState } from 'preact/hooks';
import type { AuditHead, AuditPage, AuditRow } from '../../audit/row.ts';
import type { Verification } from '../../audit/verify.ts';
import { api, ApiError } from '../core/api.ts';
import { checkAudit } from '../core/audit-check.ts';
import { missions } from '../core/missions.ts';
import { useTexts } from '../core/opening.ts';
import { missionPath } from '../core/router.ts';
import { usePromise, useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import { keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { Icon } from '../parts/icon.tsx';
import { Problem, refusalOf } from '../parts/problem.tsx';
import { titleOf } from './missions.tsx';

const PAGE = 100;

/** What was opened, newest first, and whether the record of it is whole. */
export function Audit() {
  const words = useWords();
  const [rows, setRows] = useState<readonly AuditRow[] | null>(null);
  const [before, setBefore] = useState<number | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const more = async (from: number | null): Promise<void> => {
    try {
      const page = await newest(from);
      setRows((known) => [...(from === null ? [] : (known ?? [])), ...page.rows]);
      setBefore(page.next);
      setProblem(null);
    } catch (thrown) {
      setProblem(refusalOf(thrown));
    }
  };
  useEffect(() => void more(null), []);
  return (
    <>
      <div class="tight">
        <h1>{words.audit.title}</h1>
        <p class="lead">{words.audit.lead}</p>
      </div>
      <Check />
      {problem !== null && <Problem problem={problem} again={() => void more(null)} />}
      {rows !== null && rows.length === 0 && <p class="soft">{words.audit.none}</p>}
      {rows !== null && rows.length > 0 && <Rows rows={rows} />}
      {before !== null && (
        <div>
          <button type="button" class="button" onClick={() => void more(before)}>
            {words.audit.more}
          </button>
        </div>
      )}
      <VaultUses />
    </>
  );
}

/** A page backwards, by the numbers of its rows: none is left out but what retention took away. */
async function newest(
  before: number | null,
): Promise<{ rows: readonly AuditRow[]; next: number | null }> {
  const top = before ?? (await api<AuditPage>('/api/v1/me/ai-audit?limit=1')).head.seq;
  const after = Math.max(0, top - PAGE);
  const page = await api<AuditPage>(`/api/v1/me/ai-audit?limit=${PAGE}&after=${after}`);
  const rows = page.rows.filter(({ seq }) => seq <= top).toReversed();
  return { rows, next: after > 0 && rows.length > 0 ? after : null };
}

function Rows({ rows }: { rows: readonly AuditRow[] }) {
  const words = useWords();
  const answered = new Set(
    rows.filter(({ kind }) => kind === 'outcome').map((row) => placeOf(row)),
  );
  const shown = rows.filter((row) => row.kind !== 'attempt' || !answered.has(placeOf(row)));
  return (
    <table class="table card">
      <thead>
        <tr>
          <th scope="col">{words.audit.columns.at}</th>
          <th scope="col">{words.audit.columns.mission}</th>
          <th scope="col">{words.audit.columns.record}</th>
          <th scope="col">{words.audit.columns.status}</th>
        </tr>
      </thead>
      <tbody>
        {shown.map((row) => (
          <Row key={row.seq} row={row} />
        ))}
      </tbody>
    </table>
  );
}

/** An outcome repeats its attempt's record. */
function placeOf({ missionId, iterationId, tableName, recordId }: AuditRow): string {
  return JSON.stringify([missionId, iterationId, tableName, recordId]);
}

function Row({ row }: { row: AuditRow }) {
  const words = useWords();
  const statuses: Readonly<Record<string, string>> = words.audit.statuses;
  if (row.kind === 'checkpoint')
    return (
      <tr data-seq={row.seq}>
        <td colSpan={4} class="soft">
          {words.audit.checkpoint(row.seq)}
        </td>
      </tr>
    );
  const kind = row.status === 'ok' ? 'yes' : row.status === 'pending' ? '' : 'no';
  return (
    <tr data-seq={row.seq}>
      <td class="numbers soft">{when(row.ts)}</td>
      <td>
        <MissionName id={row.missionId ?? ''} />
      </td>
      <td>
        <code>
          {row.tableName}:{row.recordId}
        </code>
      </td>
      <td>
        <span
          class={`tag ${kind}`}
          title={row.status === 'pending' ? words.audit.pending : undefined}
        >
          {statuses[row.status] ?? row.status}
        </span>{' '}
        {row.reason !== null && <span class="small soft">{row.reason}</span>}
      </td>
    </tr>
  );
}

function MissionName({ id }: { id: string }) {
  const mission = useWatched(missions).value?.get(id);
  return mission === undefined ? <code>{id}</code> : <Known id={id} />;
}

function Known({ id }: { id: string }) {
  const words = useWords();
  const present = useWatched(keys) ?? null;
  const mission = useWatched(missions).value?.get(id);
  const { title } = useTexts(present, mission ?? NOBODY);
  return (
    <a href={missionPath(id)}>{mission === undefined ? id : titleOf(words, title, mission)}</a>
  );
}

const NOBODY = {
  id: '',
  title: '',
  objective: '',
  state: '',
  status: '',
  nextRunAt: null,
  cadence: null,
  occurrences: [],
  iterations: [],
};

type Checked = { result: Verification; noted: AuditHead | undefined };

/** Reads the whole chain and checks it here, against the head that this browser noted before. */
function Check() {
  const words = useWords();
  const [state, setState] = useState<'no' | 'working' | Checked | ApiError>('no');
  const check = async (): Promise<void> => {
    setState('working');
    try {
      setState(await checkAudit());
    } catch (thrown) {
      setState(refusalOf(thrown));
    }
  };
  return (
    <div class="stack">
      <div>
        <button
          type="button"
          class="button"
          disabled={state === 'working'}
          onClick={() => void check()}
        >
          <Icon name="audit" />
          {state === 'working' ? words.audit.checking : words.audit.check}
        </button>
      </div>
      {state instanceof ApiError && <Problem problem={state} />}
      {typeof state === 'object' && 'result' in state && <Found checked={state} />}
    </div>
  );
}

function Found({ checked: { result, noted } }: { checked: Checked }) {
  const words = useWords();
  const codes: Readonly<Record<string, string>> = words.audit.codes;
  if (result.problems.length === 0)
    return (
      <div class="notice yes" role="status" data-audit="whole">
        <p>
          {words.audit.whole(result.rows)} {noted !== undefined && words.audit.noted(noted.seq)}
        </p>
      </div>
    );
  return (
    <div class="notice no" role="alert" data-audit="broken">
      <div class="tight">
        <p>{words.audit.problems(result.problems.length)}</p>
        <ul>
          {result.problems.slice(0, 20).map(({ seq, code }) => (
            <li key={`${seq} ${code}`}>{words.audit.problem(seq, codes[code] ?? code)}</li>
          ))}
        </ul>
      </div>
    </div>
  );
}

type VaultUse = { at: string; use: string; grantId?: string; actor?: string };

function VaultUses() {
  const words = useWords();
  const answer = usePromise(
    () => api<{ uses: VaultUse[] }>('/api/v1/me/encryption-vault/audit'),
    'uses',
  );
  if (answer === undefined) return null;
  return (
    <section class="tight">
      <h2>{words.audit.vault}</h2>
      {answer.uses.length === 0 && <p class="soft">{words.audit.vaultNone}</p>}
      <ul class="card list">
        {answer.uses.slice(0, 20).map(({ at, use, actor }) => (
          <li key={`${at} ${use}`}>
            <p class="line numbers">
              <span>{when(at)}</span>
              <span>{use}</span>
              {actor !== undefined && (
                <span>
                  {words.audit.by} {actor}
                </span>
              )}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}
