import { useEffect, useState } from 'preact/hooks';

/** A value that components watch. */
export class Watched<T> {
  #value: T;
  readonly #watchers = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const watcher of this.#watchers) watcher();
  }

  update(edit: (value: T) => T): void {
    this.set(edit(this.#value));
  }

  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}

/** The present value, and a new rendering at each change. */
export function useWatched<T>(watched: Watched<T>): T {
  const [, render] = useState(0);
  useEffect(() => watched.watch(() => render((count) => count + 1)), [watched]);
  return watched.value;
}

/** What a promise gives for `key`; undefined until then, and whenever the key changes. */
export function usePromise<T>(make: () => Promise<T>, key: unknown): T | undefined {
  const [result, setResult] = useState<{ key: unknown; value: T } | null>(null);
  useEffect(() => {
    let current = true;
    make().then(
      (value) => current && setResult({ key, value }),
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [key]);
  return result !== null && Object.is(result.key, key) ? result.value : undefined;
}
