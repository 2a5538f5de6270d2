import {
  base64url,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { createUserTokenVerifier } from '../../../src/http/user-token.ts';
import { serveKeySet } from './key-set-server.ts';

const known = await generateKeyPair('Ed25519', { extractable: true });
const stranger = await generateKeyPair('Ed25519', { extractable: true });
const publicJwk = await exportJWK(known.publicKey);
const rsa = await generateKeyPair('RS256', { extractable: true });
const rsaJwk = await exportJWK(rsa.publicKey);
const server = await serveKeySet([
  { ...publicJwk, kid: 'k1' },
  { ...rsaJwk, kid: 'rsa' },
]);
afterAll(() => server.close());
afterEach(() => {
  vi.useRealTimers();
});

const CLAIMS = { iss: 'mana-auth', aud: 'mana', sub: 'user-1' };
const OPTIONS = { jwksUrl: `${server.url}/jwks.json`, issuer: 'mana-auth', audience: 'mana' };
const verify = createUserTokenVerifier(OPTIONS);

type Shape = {
  claims?: JWTPayload;
  alg?: string;
  kid?: string;
  typ?: string;
  expires?: number | null;
  key?: CryptoKey | Uint8Array;
};

async function token({
  claims = {},
  alg = 'EdDSA',
  kid = 'k1',
  typ,
  expires,
  key = known.privateKey,
}: Shape = {}): Promise<string> {
  const jwt = new SignJWT({ ...CLAIMS, ...claims });
  jwt.setProtectedHeader(typ === undefined ? { alg, kid } : { alg, kid, typ });
  if (expires !== null) jwt.setExpirationTime(expires ?? Math.floor(Date.now() / 1_000) + 600);
  return jwt.sign(key);
}

const REFUSED = { ok: false, code: 'UNAUTHENTICATED' };

describe('user tokens', () => {
  test.each(['EdDSA', 'Ed25519'])('one signed with %s names its user', async (alg) => {
    expect(await verify(await token({ alg }))).toEqual({ ok: true, userId: 'user-1' });
  });

  test.each<[string, () => Promise<string>]>([
    ['no token', async () => ''],
    ['no JWT', async () => 'a.b.c'],
    ['alg none', async () => new UnsecuredJWT(CLAIMS).setExpirationTime('1h').encode()],
    [
      'HS256 with the public key',
      () => token({ alg: 'HS256', key: base64url.decode(publicJwk.x ?? '') }),
    ],
    [
      'HS256 with the public JWK',
      () => token({ alg: 'HS256', key: new TextEncoder().encode(JSON.stringify(publicJwk)) }),
    ],
    ['RS256 with a key of the set', () => token({ alg: 'RS256', kid: 'rsa', key: rsa.privateKey })],
    ['another key', () => token({ key: stranger.privateKey })],
    ['another issuer', () => token({ claims: { iss: 'someone' } })],
    ['another audience', () => token({ claims: { aud: 'mana-ai' } })],
    ['expired', () => token({ expires: Math.floor(Date.now() / 1_000) - 1 })],
    ['no expiry', () => token({ expires: null })],
    ['not yet valid', () => token({ claims: { nbf: Math.floor(Date.now() / 1_000) + 600 } })],
    ['a grant', () => token({ typ: 'mission-grant+jwt' })],
    ['a grant under its long type', () => token({ typ: 'application/Mission-Grant+JWT' })],
    ['an empty sub', () => token({ claims: { sub: '' } })],
    ['a long sub', () => token({ claims: { sub: 'x'.repeat(257) } })],
    ['half of a surrogate pair in sub', () => token({ claims: { sub: '\ud800' } })],
    ['a sub that is no text', () => token({ claims: { sub: 5 } as never })],
    ['a genuine one of 5 MB', () => token({ claims: { padding: 'x'.repeat(5_000_000) } })],
    ['8 MB of nothing', async () => `a.${'b'.repeat(8_000_000)}.c`],
    ['a control character in sub', () => token({ claims: { sub: 'a\0b' } })],
    [
      'a changed payload',
      async () => {
        const [head, , signature] = (await token()).split('.');
        return `${head}.${base64url.encode(JSON.stringify({ ...CLAIMS, sub: 'user-2', exp: 9_999_999_999 }))}.${signature}`;
      },
    ],
  ])('refused: %s', async (_name, make) => {
    expect(await verify(await make())).toEqual(REFUSED);
  });

  test('it ends at the very second of exp', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 100;
    const text = await token({ expires: exp });
    vi.useFakeTimers({ now: exp * 1_000 - 1, toFake: ['Date'] });
    expect(await verify(text)).toEqual({ ok: true, userId: 'user-1' });
    vi.setSystemTime(exp * 1_000);
    expect(await verify(text)).toEqual(REFUSED);
  });

  test('a token without sub is refused', async () => {
    const jwt = new SignJWT({ iss: 'mana-auth', aud: 'mana' }).setProtectedHeader({
      alg: 'EdDSA',
      kid: 'k1',
    });
    expect(await verify(await jwt.setExpirationTime('1h').sign(known.privateKey))).toEqual(REFUSED);
  });

  test('a key set that is at hand needs no fetch', async () => {
    const local = createUserTokenVerifier({
      keySet: { keys: [{ ...publicJwk, kid: 'k1' }] },
      issuer: 'mana-auth',
      audience: 'mana',
    });
    expect(await local(await token())).toEqual({ ok: true, userId: 'user-1' });
    expect(await local(await token({ key: stranger.privateKey }))).toEqual(REFUSED);
  });

  test.each(['EdDSA', 'Ed25519'])(
    'a set whose keys are named %s verifies tokens of either name',
    async (alg) => {
      const keys = [{ ...publicJwk, kid: 'k1', alg, use: 'sig' }];
      const remote = await serveKeySet(keys);
      for (const source of [{ keySet: { keys } }, { jwksUrl: `${remote.url}/jwks.json` }]) {
        const either = createUserTokenVerifier({
          ...source,
          issuer: 'mana-auth',
          audience: 'mana',
        });
        for (const name of ['EdDSA', 'Ed25519']) {
          expect(await either(await token({ alg: name }))).toEqual({ ok: true, userId: 'user-1' });
          expect(await either(await token({ alg: name, key: stranger.privateKey }))).toEqual(
            REFUSED,
          );
          expect(await either(await token({ alg: name, kid: 'k2' }))).toEqual(REFUSED);
        }
      }
      remote.close();
    },
  );

  test.each(['/elsewhere', '/broken'])(
    'a key set at %s is none: redirects are not followed',
    async (path) => {
      const other = createUserTokenVerifier({ ...OPTIONS, jwksUrl: server.url + path });
      expect(await other(await token())).toEqual({ ok: false, code: 'KEY_SET_UNAVAILABLE' });
    },
  );

  test('where nobody listens the key set is unavailable', async () => {
    const gone = await serveKeySet([]);
    gone.close();
    const other = createUserTokenVerifier({ ...OPTIONS, jwksUrl: `${gone.url}/jwks.json` });
    expect(await other(await token())).toEqual({ ok: false, code: 'KEY_SET_UNAVAILABLE' });
  });
});
