const MOST_TRIES = 3;

/**
 * Calls an object that may leave memory by itself: a call that meets its end is told so (`durableObjectReset`) and is repeated.
 * @param call makes a new stub each time, since one that failed stays broken; it must be safe to repeat
 */
export async function callAgainOnReset<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (thrown) {
      if (tries === MOST_TRIES || !isReset(thrown)) throw thrown;
    }
  }
}

function isReset(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'durableObjectReset' in thrown && thrown.durableObjectReset === true
  );
}
