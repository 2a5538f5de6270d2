import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { offlineSince } from '../core/api.ts';
import { live } from '../core/live.ts';
import { isOpen, missions, stepsOf, waitingPlans } from '../core/missions.ts';
import { place } from '../core/router.ts';
import { runs } from '../core/runs.ts';
import { useWatched } from '../core/store.ts';
import { when } from '../core/times.ts';
import { keys, lock } from '../core/vault.ts';
import { useWords } from '../core/words.ts';
import { Audit } from '../pages/audit.tsx';
import { Grants } from '../pages/grants.tsx';
import { Inbox } from '../pages/inbox.tsx';
import { MissionPage } from '../pages/mission.tsx';
import { MissionEditor } from '../pages/mission-editor.tsx';
import { Missions } from '../pages/missions.tsx';
import { Records } from '../pages/records.tsx';
import { RunPage } from '../pages/run.tsx';
import { Settings } from '../pages/settings.tsx';
import { Confirming } from './dialog.tsx';
import { Icon, type IconName, Mark } from './icon.tsx';
import { Toasts } from './toasts.tsx';
import { unlock, Unlocking } from './unlock.tsx';

const PAGES = ['inbox', 'missions', 'records', 'grants', 'audit', 'settings'] as const;

/** Everything around a page. */
export function Frame() {
  const words = useWords();
  const { page, parts } = useWatched(place);
  useTitle(page, parts.length > 0);
  return (
    <div class="frame">
      <a class="skip" href="#main">
        {words.skip}
      </a>
      <header class="head">
        <a class="brand" href="/">
          <Mark />
          {words.app}
        </a>
        <ModelState />
        <LiveState />
        <LockState />
      </header>
      <Navigation page={page} />
      <main class="main" id="main" tabIndex={-1}>
        {contentOf(page, parts)}
      </main>
      <Toasts />
      <Unlocking />
      <Confirming />
    </div>
  );
}

function contentOf(page: string, parts: readonly string[]): ComponentChildren {
  const [first, second, third] = parts;
  if (page === 'inbox') return <Inbox />;
  if (page === 'missions' && first === undefined) return <Missions />;
  if (page === 'missions' && first === 'new') return <MissionEditor />;
  if (page === 'missions' && first !== undefined) {
    if (second === 'edit') return <MissionEditor id={first} />;
    if (second === 'runs' && third !== undefined)
      return <RunPage missionId={first} runId={third} />;
    if (second === undefined) return <MissionPage id={first} />;
  }
  if (page === 'records') return <Records module={first} />;
  if (page === 'grants') return <Grants />;
  if (page === 'audit') return <Audit />;
  if (page === 'settings') return <Settings />;
  return <NotFound />;
}

function NotFound() {
  const words = useWords();
  return (
    <div class="empty">
      <h1>404</h1>
      <p>{words.common.notFound}</p>
      <a class="button" href="/">
        {words.common.home}
      </a>
    </div>
  );
}

function useTitle(page: string, inside: boolean): void {
  const words = useWords();
  const waiting = useDecidable();
  useEffect(() => {
    const names: Readonly<Record<string, string>> = words.nav;
    const name = inside && page === 'missions' ? words.nav.missions : names[page];
    const count = waiting > 0 ? `(${waiting}) ` : '';
    document.title = name === undefined ? words.app : `${count}${name} · ${words.app}`;
  }, [words, page, waiting, inside]);
}

/** Steps that can be decided. */
function useDecidable(): number {
  const { value } = useWatched(missions);
  if (value === undefined) return 0;
  return waitingPlans(value).reduce(
    (sum, { iteration }) => sum + stepsOf(iteration).filter(isOpen).length,
    0,
  );
}

function Navigation({ page }: { page: string }) {
  const words = useWords();
  const waiting = useDecidable();
  return (
    <nav class="nav" aria-label={words.nav.label}>
      <ul>
        {PAGES.map((name) => (
          <li key={name}>
            <a
              href={name === 'inbox' ? '/' : `/${name}`}
              aria-current={page === name ? 'page' : undefined}
            >
              <Icon name={name satisfies IconName} />
              <span>{words.nav[name]}</span>
              {name === 'inbox' && waiting > 0 && (
                <span class="badge numbers">
                  {waiting > 99 ? '99+' : waiting}
                  <span class="visually-hidden"> {words.inbox.waiting(waiting)}</span>
                </span>
              )}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function LiveState() {
  const words = useWords();
  const state = useWatched(live);
  const since = useWatched(offlineSince);
  const shown = since === null ? state : 'offline';
  const text = since === null ? words.live[state] : words.live.since(when(since));
  return (
    <span class="state" role="status">
      <span class={`dot ${shown}`} />
      <span class="long">{text}</span>
    </span>
  );
}

/** Where the newest run was planned. */
function ModelState() {
  const words = useWords();
  const known = useWatched(runs);
  const newest = [...known.values()]
    .flatMap((one) => one.runs.slice(0, 1))
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))[0];
  if (newest?.locality === undefined) return null;
  const remote = newest.locality === 'remote';
  return (
    <span class="state">
      <Icon name={remote ? 'cloud' : 'chip'} />
      <span class="long">{remote ? words.model.remote : words.model.local}</span>
    </span>
  );
}

function LockState() {
  const words = useWords();
  const present = useWatched(keys);
  if (present === undefined) return null;
  return present === null ? (
    <button type="button" class="button slim primary" onClick={() => void unlock()}>
      <Icon name="lock" />
      {words.lock.unlock}
    </button>
  ) : (
    <button type="button" class="button slim" onClick={() => void lock()}>
      <Icon name="unlock" />
      {words.lock.lock}
    </button>
  );
}
