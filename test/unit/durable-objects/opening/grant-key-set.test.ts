import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, calculateJwkThumbprint, type JWK } from 'jose';
import { afterAll, expect, test, vi } from 'vitest';
import { grantKey } from '../../../../durable-objects/opening/grant-key-set.ts';

const keys: JWK[] = [];
let asked = 0;
const server = createServer((_request, response) => {
  asked += 1;
  response.end(JSON.stringify({ keys }));
});
await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/grant-jwks.json`;

afterAll(() => {
  vi.useRealTimers();
  server.close();
});

async function publish(): Promise<string> {
  const {
    kty = '',
    crv = '',
    x = '',
  } = await exportJWK((await generateKeyPair('Ed25519', { extractable: true })).publicKey);
  const kid = await calculateJwkThumbprint({ kty, crv, x });
  keys.push({ kty, crv, x, kid });
  return kid;
}

test('a key that was published a moment ago is found at once; kids that nobody has are asked for once, and few of them', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const first = await publish();
  expect(await grantKey(url, first)).not.toBeNull();
  expect(await grantKey(url, 'forged')).toBeNull();
  const rotated = await publish();
  expect(await grantKey(url, rotated)).not.toBeNull();
  const before = asked;
  expect(await grantKey(url, rotated)).not.toBeNull();
  expect(await grantKey(url, 'forged')).toBeNull();
  expect(asked).toBe(before);

  for (let count = 1; count < 8; count += 1)
    expect(await grantKey(url, `forged-${count}`)).toBeNull();
  const afterAllForged = asked;
  const late = await publish();
  // Not refused, which would stay with the mission: nobody looked.
  await expect(grantKey(url, late)).rejects.toMatchObject({ code: 'GRANT_KEY_SET_UNAVAILABLE' });
  await expect(grantKey(url, 'forged-8')).rejects.toMatchObject({
    code: 'GRANT_KEY_SET_UNAVAILABLE',
  });
  expect(await grantKey(url, first)).not.toBeNull();
  expect(asked).toBe(afterAllForged);
  vi.setSystemTime(Date.now() + 10_000);
  expect(await grantKey(url, late)).not.toBeNull();
});
