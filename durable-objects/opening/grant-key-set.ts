import { type GrantKeyFinder, grantKeyFinder } from '../../src/grants/index.ts';
import { isRecord } from '../../src/values/fields.ts';

/** A key that was removed from the set is trusted for at most this long (SECURITY.md). */
const LONGEST_TRUST_MS = 5 * 60_000;

/**
 * An unknown kid has the set fetched again, but within this time only once for each kid and for few
 * kids in all: forged tokens must not become requests.
 */
const REFETCH_PAUSE_MS = 10_000;
const MOST_REFETCHES = 8;

const FETCH_TIMEOUT_MS = 5_000;
const LONGEST_SET = 64 * 1_024;

/** The set could not be fetched or read; nothing is wrong with the grant that asked for it. */
export class GrantKeySetError extends Error {
  override name = 'GrantKeySetError';
  readonly code = 'GRANT_KEY_SET_UNAVAILABLE';
  constructor() {
    super(
      'The keys that grants are signed with could not be fetched. Check that mana-auth runs and MANA_GRANT_JWKS_URL.',
    );
  }
}

/** `unknown`: the kids that were not found since `unknownSinceMs`. */
type KeySet = {
  url: string;
  fetchedMs: number;
  find: GrantKeyFinder;
  unknown: ReadonlySet<string>;
  unknownSinceMs: number;
};

/** Objects come and go with every run, so the process keeps the set for all of them. */
let kept: KeySet | undefined;

/**
 * The public key that signed a grant, by its `kid` (RFC 7638 thumbprint); null where the set does
 * not hold it.
 * @throws GrantKeySetError
 */
export async function grantKey(url: string, kid: string): Promise<CryptoKey | null> {
  const nowMs = Date.now();
  const known = kept?.url === url && nowMs - kept.fetchedMs < LONGEST_TRUST_MS ? kept : null;
  const key = (await known?.find(kid)) ?? null;
  if (key !== null) return key;
  const isRecent = known !== null && nowMs - known.unknownSinceMs < REFETCH_PAUSE_MS;
  const unknown = isRecent ? known.unknown : new Set<string>();
  if (unknown.has(kid)) return null;
  // The key was not looked for, so nothing is known of it. A refusal would stay with the mission;
  // this error passes.
  if (unknown.size >= MOST_REFETCHES) throw new GrantKeySetError();
  const find = await grantKeyFinder(await fetchKeySet(url));
  const found = await find(kid);
  const unknownSinceMs = isRecent ? known.unknownSinceMs : nowMs;
  kept = {
    url,
    fetchedMs: nowMs,
    find,
    unknown: found === null ? new Set([...unknown, kid]) : unknown,
    unknownSinceMs,
  };
  return found;
}

async function fetchKeySet(url: string): Promise<unknown> {
  try {
    // A redirect could lead to somebody else's keys.
    const response = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    });
    const text = response.ok ? await response.text() : '';
    const body: unknown = text.length <= LONGEST_SET ? JSON.parse(text) : null;
    if (isRecord(body) && Array.isArray(body['keys'])) return body;
  } catch {
    // Reported below, like every other answer that is no key set.
  }
  throw new GrantKeySetError();
}
