import { offlineSince } from './api.ts';
import { dropToken, userToken } from './session.ts';
import { Watched } from './store.ts';

export type LiveState = 'starting' | 'live' | 'reconnecting' | 'offline';

/** Whether changes arrive as they happen. */
export const live = new Watched<LiveState>('starting');

/** One event of the stream. */
export type LiveEvent = { name: string; data: Readonly<Record<string, unknown>> };

type TabMessage =
  | { kind: 'event'; event: LiveEvent; id: string }
  | { kind: 'state'; state: LiveState; id: string }
  | { kind: 'ask' };

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** The server sends a comment every 25 s; a connection that is silent for longer is dead. */
const SILENCE_MS = 60_000;

let tabs: BroadcastChannel | undefined;
let lastId = '';
let isLeader = false;
let ending: AbortController | undefined;

/**
 * One stream for all tabs of a person: browsers open six connections to a server over HTTP/1.1, and a stream holds one. The tab that
 * holds the lock has the stream and tells the others; when it closes, the next one goes on after the last event.
 */
export function startLive(userId: string, heard: (event: LiveEvent) => void): () => void {
  ending = new AbortController();
  const { signal } = ending;
  const channel = new BroadcastChannel(`mana-live:${userId}`);
  tabs = channel;
  channel.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => {
    if (data.kind === 'ask') {
      if (isLeader) tell({ kind: 'state', state: live.value, id: lastId });
      return;
    }
    lastId = data.id;
    if (data.kind === 'state') live.set(data.state);
    else heard(data.event);
  });
  tell({ kind: 'ask' });
  navigator.locks
    .request(`mana-live:${userId}`, { signal }, async () => {
      isLeader = true;
      await lead(signal, heard);
      isLeader = false;
    })
    .catch(() => undefined);
  return () => {
    ending?.abort();
    channel.close();
    tabs = undefined;
  };
}

function tell(message: TabMessage): void {
  tabs?.postMessage(message);
}

function setState(state: LiveState): void {
  live.set(state);
  tell({ kind: 'state', state, id: lastId });
}

async function lead(signal: AbortSignal, heard: (event: LiveEvent) => void): Promise<void> {
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    const began = Date.now();
    const ended = await stream(signal, (event) => {
      heard(event);
      tell({ kind: 'event', event, id: lastId });
    });
    if (ended === 'signed-out') return;
    // A stream that lived is opened again at once: the server ends each after a quarter of an hour.
    waitMs =
      Date.now() - began > LONGEST_WAIT_MS ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS);
    setState(navigator.onLine ? 'reconnecting' : 'offline');
    await pause(ended === 'closed' && waitMs === FIRST_WAIT_MS ? 0 : waitMs / 2, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(finish, milliseconds);
    function finish(): void {
      clearTimeout(timer);
      globalThis.removeEventListener('online', finish);
      signal.removeEventListener('abort', finish);
      done();
    }
    globalThis.addEventListener('online', finish);
    signal.addEventListener('abort', finish);
  });
}

async function stream(
  signal: AbortSignal,
  heard: (event: LiveEvent) => void,
): Promise<'closed' | 'failed' | 'signed-out'> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const token = await userToken();
    if (token === null) return 'signed-out';
    const response = await fetch('/api/v1/me/events', {
      headers: {
        authorization: `Bearer ${token}`,
        ...(lastId === '' ? {} : { 'last-event-id': lastId }),
      },
      cache: 'no-store',
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (response.status === 401) dropToken();
    if (!response.ok || response.body === null) return 'failed';
    offlineSince.set(null);
    setState('live');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 'closed';
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      text = take(text + value, heard);
    }
  } catch {
    return 'failed';
  } finally {
    clearTimeout(timer);
  }
}

/** Hears the whole events of a text; answers what is left of it (HTML Standard, section 9.2.6). */
function take(text: string, heard: (event: LiveEvent) => void): string {
  const blocks = text.split('\n\n');
  for (const block of blocks.slice(0, -1)) {
    let [name, data] = ['', ''];
    for (const line of block.split('\n')) {
      if (line.startsWith('id: ')) lastId = line.slice(4);
      if (line.startsWith('event: ')) name = line.slice(7);
      if (line.startsWith('data: ')) data += line.slice(6);
    }
    if (name !== '' && data !== '')
      heard({ name, data: JSON.parse(data) as Record<string, unknown> });
  }
  return blocks.at(-1) ?? '';
}
