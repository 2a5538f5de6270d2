const MOST_TRIES = 3;

/**
 * Calls an object that may leave memory by itself. If the object ends during a call, the platform
 * says so (`durableObjectReset`) and the call is repeated.
 * @param call makes a new stub each time, since a stub that failed stays broken; the call must be
 * safe to repeat
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
