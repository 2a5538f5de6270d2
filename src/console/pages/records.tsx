import { useEffect, useState } from 'preact/hooks';
import type { ApiError } from '../core/api.ts';
import { missions } from '../core/missions.ts';
import { recordsOfModule, type StoredRecord } from '../core/records.ts';
import { go } from '../core/router.ts';
import { useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import { keys } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { Problem, refusalOf } from '../parts/problem.tsx';
import { fieldWords } from '../core/intent.ts';
import { ValueText } from '../parts/value-text.tsx';

const MODULES = [
  'todo',
  'notes',
  'calendar',
  'journal',
  'contacts',
  'habits',
  'places',
  'mood',
  'library',
];
const SHOWN_AT_FIRST = 50;

/** A person's records of one module, opened here, read-only. */
export function Records({ module = 'todo' }: { module?: string | undefined }) {
  const words = useWords();
  const present = useWatched(keys);
  const [records, setRecords] = useState<readonly StoredRecord[] | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [filter, setFilter] = useState('');
  const [shown, setShown] = useState(SHOWN_AT_FIRST);
  const { value } = useWatched(missions);
  const load = (): (() => void) => {
    let current = true;
    const read = async (): Promise<void> => {
      try {
        const found = await recordsOfModule(module, present ?? null);
        if (!current) return;
        setRecords(found);
        setProblem(null);
      } catch (thrown) {
        if (current) setProblem(refusalOf(thrown));
      }
    };
    void read();
    return () => {
      current = false;
    };
  };
  useEffect(() => (present === undefined ? undefined : load()), [module, present, value]);
  useEffect(() => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (records !== null && id !== '')
      document.querySelector(`[data-record="${CSS.escape(id)}"]`)?.scrollIntoView();
  }, [records]);
  const modules = MODULES.includes(module) ? MODULES : [...MODULES, module];
  const found = (records ?? [])
    .filter((record) => matches(record, filter))
    .toSorted((a, b) => (b.updatedAt ?? '').localeCompare(a.updatedAt ?? ''));
  return (
    <>
      <div class="tight">
        <h1>{words.records.title}</h1>
        <p class="lead">{words.records.lead}</p>
      </div>
      <div class="fields">
        <label class="field">
          {words.records.module}
          <select
            value={module}
            onChange={({ currentTarget }) => go(`/records/${currentTarget.value}`)}
          >
            {modules.map((name) => (
              <option key={name} value={name}>
                {words.modules[name] ?? name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          {words.records.filter}
          <input
            type="search"
            value={filter}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        </label>
      </div>
      {problem !== null && <Problem problem={problem} again={load} />}
      {records !== null && found.length === 0 && <p class="soft">{words.records.none}</p>}
      <ul class="stack">
        {found.slice(0, shown).map((record) => (
          <RecordCard key={`${record.table}:${record.recordId}`} record={record} />
        ))}
      </ul>
      {found.length > shown && (
        <div>
          <button type="button" class="button" onClick={() => setShown(shown + SHOWN_AT_FIRST)}>
            {words.common.more}
          </button>
        </div>
      )}
    </>
  );
}

function matches({ data }: StoredRecord, filter: string): boolean {
  return (
    filter === '' ||
    JSON.stringify(Object.values(data)).toLowerCase().includes(filter.toLowerCase())
  );
}

/** Fields that say how a record is kept, and nothing to a person. */
const HIDDEN = new Set([
  'id',
  'userId',
  'spaceId',
  'authorId',
  'visibility',
  'createdAt',
  'updatedAt',
  'order',
  'title',
  'name',
]);

function RecordCard({ record }: { record: StoredRecord }) {
  const words = useWords();
  const { data, table, recordId, updatedAt } = record;
  const title = data['title'] ?? data['name'] ?? '';
  const fields = Object.entries(data).filter(
    ([name, value]) => !HIDDEN.has(name) && !isEmpty(value),
  );
  const origin = (record as { origin?: string }).origin;
  return (
    <li class="card" data-record={recordId}>
      <header>
        <div class="row">
          <h2>{title === '' ? recordId : <ValueText value={title} />}</h2>
          <span class="tag end">{fieldWords(table)}</span>
        </div>
        <p class="line">
          {updatedAt !== undefined && <span>{words.records.changed(when(updatedAt))}</span>}
          {origin !== undefined && (
            <span>
              {words.records.from} {origin}
            </span>
          )}
          {typeof data['deletedAt'] === 'string' && <span>{words.records.deleted}</span>}
        </p>
      </header>
      {fields.length > 0 && (
        <div class="body">
          <dl class="diff">
            {fields.map(([name, value]) => (
              <>
                <dt key={name}>{fieldWords(name)}</dt>
                <dd>
                  <ValueText value={value} />
                </dd>
              </>
            ))}
          </dl>
        </div>
      )}
    </li>
  );
}

function isEmpty(value: unknown): boolean {
  return (
    value === null ||
    value === '' ||
    value === false ||
    (Array.isArray(value) && value.length === 0)
  );
}
