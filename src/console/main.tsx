import { render } from 'preact';
import { dropChangedMarks, loadDecisions, outcomes, person } from './core/decisions.ts';
import { startLive } from './core/live.ts';
import { heardOfMissions, loadMissions, missions } from './core/missions.ts';
import { forgetOpened } from './core/opening.ts';
import { watchLinks } from './core/router.ts';
import { loadSession, signedIn } from './core/session.ts';
import { keys, loadKeys } from './core/vault.ts';
import { loadWords } from './core/words.ts';
import { heardOfRuns } from './core/runs.ts';
import { Door, Insecure, takeLink } from './pages/door.tsx';
import { Frame } from './parts/frame.tsx';
import { useWatched } from './core/store.ts';

/** The page: whoever is not signed in stands at the door. */
function Page() {
  const state = useWatched(signedIn);
  if (state === 'unknown') return null;
  return typeof state === 'string' ? <Door ended={state === 'ended'} /> : <Frame />;
}

/** Starts everything. Without cryptography the page says what to open instead. */
export async function startPage(): Promise<void> {
  const root = document.querySelector('#app');
  if (root === null) return;
  await loadWords();
  if (!globalThis.isSecureContext) {
    render(<Insecure />, root);
    return;
  }
  watchLinks();
  // A link that is pasted into an open tab changes the fragment alone.
  globalThis.addEventListener('hashchange', () => void takeLink());
  let stop: (() => void) | undefined;
  let present = '';
  signedIn.watch(() => {
    const now = signedIn.value;
    const userId = typeof now === 'string' ? '' : now.userId;
    if (userId === present) return;
    present = userId;
    stop?.();
    stop = userId === '' ? undefined : startFor(userId);
  });
  keys.watch(() => {
    if (keys.value === null) forgetOpened();
  });
  await takeLink();
  if (signedIn.value === 'unknown') await loadSession();
  render(<Page />, root);
}

/** Everything of a person: keys, missions, decisions, changes as they happen. */
function startFor(userId: string): () => void {
  person.set(userId);
  missions.set({ value: undefined, problem: null, loading: false });
  void loadKeys(userId);
  void loadMissions().then(loadDecisions);
  const unwatch = missions.watch(() => void dropWhatChanged());
  const stop = startLive(userId, (event) => {
    heardOfMissions(event);
    heardOfRuns(event);
  });
  return () => {
    unwatch();
    stop();
  };
}

/** A mark holds for what was seen: when a step is heard to have changed, its mark goes, and the person is told. */
async function dropWhatChanged(): Promise<void> {
  const dropped = await dropChangedMarks();
  const told = dropped.map(({ missionId, iterationId, stepId, step }) => ({
    kind: 'changed' as const,
    missionId,
    iterationId,
    stepId,
    before: step,
  }));
  if (told.length > 0) outcomes.update((before) => [...before, ...told]);
}
