/** What a service binding and workerd's `external` service have in common. */
export type Upstream = { fetch(request: Request): Promise<Response> };
export type Upstreams = { MANA_AI: Upstream; MANA_AUTH: Upstream };

/** Paths of mana-auth; everything else below /api/v1/ is mana-ai's. */
const OF_MANA_AUTH =
  /^\/(?:\.well-known|api\/v1\/(?:sessions|passkeys|me\/(?:encryption-vault|ai-mission-grant|sessions|passkeys|sign-in-links)))(?:\/|$)/;
const OF_MANA_AI = /^\/api\/v1\//;
/** Both Workers serve it, so that a device can compare: `?of=mana-auth` asks the other one. */
const RUNNER_KEY = '/api/v1/me/runner-key';

/** The answer of the Worker whose path it is; null for a path of neither. */
export function passOn(
  request: Request,
  { pathname, searchParams }: URL,
  { MANA_AI, MANA_AUTH }: Upstreams,
): Promise<Response> | null {
  const ofAuth = pathname === RUNNER_KEY && searchParams.get('of') === 'mana-auth';
  if (ofAuth || OF_MANA_AUTH.test(pathname)) return ask(MANA_AUTH, request);
  return OF_MANA_AI.test(pathname) ? ask(MANA_AI, request) : null;
}

async function ask(upstream: Upstream, request: Request): Promise<Response> {
  const passed = new Request(request);
  // Operators call the Workers themselves; through here nobody is one.
  passed.headers.delete('x-service-key');
  try {
    return await upstream.fetch(passed);
  } catch {
    const error = 'The server behind this page does not answer; nothing was done.';
    return Response.json({ error, code: 'WORKER_UNAVAILABLE' }, { status: 503 });
  }
}
