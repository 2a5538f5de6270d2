import { Watched } from './store.ts';

export type Place = { page: string; parts: string[] };

function read(): Place {
  const [page = '', ...parts] = location.pathname.slice(1).split('/').map(decode);
  return { page: page === '' ? 'inbox' : page, parts };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Where the person is. */
export const place = new Watched<Place>(read());

export function go(path: string): void {
  if (path !== location.pathname) history.pushState(null, '', path);
  arrive();
}

function arrive(): void {
  place.set(read());
  scrollTo(0, 0);
  // Who reads with ears is told where they are.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('#main')?.focus());
}

/** Links of this page are followed without loading it again. */
export function watchLinks(): void {
  globalThis.addEventListener('popstate', () => place.set(read()));
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (link === null || !plain || link.origin !== location.origin || link.target !== '') return;
    if (link.hash !== '' && link.pathname === location.pathname) return;
    event.preventDefault();
    go(link.pathname);
  });
}

export function missionPath(id: string): string {
  return `/missions/${encodeURIComponent(id)}`;
}

export function runPath(missionId: string, runId: string): string {
  return `${missionPath(missionId)}/runs/${encodeURIComponent(runId)}`;
}
