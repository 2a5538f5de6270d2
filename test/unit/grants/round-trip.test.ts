import { expect, test } from 'vitest';
import {
  checkpointPath,
  checkSealedHeader,
  decryptField,
  deriveRecordKeys,
  encryptField,
  encryptIteration,
  encryptRecord,
  missionRef,
  openGrantKeys,
  openIteration,
  openRecord,
  verifyGrant,
} from '../../../src/grants/index.ts';
import { grant, masterKey, MISSION, NOTE, NOW_MS, USER } from './material.ts';

test('what a device encrypts, a grant opens: sealed, minted, verified, opened', async () => {
  const deviceKeys = await deriveRecordKeys(await masterKey(), NOTE, [1]);
  const record = {
    id: 'note-1',
    title: 'Geheim 🗝️',
    tags: ['a', { b: null }],
    pinned: true,
    spaceId: null,
  };
  const stored = await encryptRecord({
    keys: deviceKeys,
    version: 1,
    ref: NOTE,
    record,
    fields: ['title', 'tags'],
  });
  expect(stored).toMatchObject({ id: 'note-1', pinned: true, spaceId: null });
  expect(JSON.stringify(stored)).not.toContain('Geheim');

  const { token, keysJwe, keyOf, privateKeys } = await grant();
  const verified = await verifyGrant({
    token,
    keyOf,
    userId: USER,
    missionId: MISSION,
    nowMs: NOW_MS,
  });
  if (!verified.ok) throw new Error(verified.reason);
  const opened = await openGrantKeys({ claims: verified.claims, keysJwe, privateKeys });
  if (!opened.ok) throw new Error(opened.reason);
  expect(Array.from(opened.keys.keys()).toSorted()).toEqual([
    'aiMissions:mission-1',
    'notes:note-1',
    'tasks:task-1',
  ]);
  const keys = opened.keys.get('notes:note-1');
  if (keys === undefined) throw new Error('no keys');
  expect(await openRecord({ keys, ref: NOTE, record: stored })).toEqual({ ok: true, record });
});

test('an iteration that the runner encrypts is opened by a device', async () => {
  const { claims, token, keysJwe, keyOf, privateKeys } = await grant();
  const verified = await verifyGrant({
    token,
    keyOf,
    userId: USER,
    missionId: MISSION,
    nowMs: NOW_MS,
  });
  if (!verified.ok) throw new Error(verified.reason);
  const opened = await openGrantKeys({ claims: verified.claims, keysJwe, privateKeys });
  const runnerKeys = opened.ok ? opened.keys.get(`aiMissions:${claims.mission}`) : undefined;
  if (runnerKeys === undefined) throw new Error('not opened');
  const iteration = {
    id: 'it-1',
    startedAt: '2026-11-24T12:00:00.000Z',
    source: 'server',
    overallStatus: 'awaiting-review',
    summary: 'Zusammenfassung',
    plan: [
      {
        id: 'it-1-0',
        summary: 'one',
        rationale: 'why',
        status: 'planned',
        intent: { kind: 'toolCall', toolName: 'create_task', params: { title: 'x' } },
      },
      { id: 'it-1-1', summary: 'two', status: 'planned', intent: { kind: 'note', body: 'text' } },
    ],
  };
  const stored = await encryptIteration({
    keys: runnerKeys,
    version: 1,
    missionId: MISSION,
    iteration,
  });
  expect(JSON.stringify(stored)).not.toMatch(/Zusammenfassung|why|"x"|text/);
  expect(stored).toMatchObject({
    plan: [{ status: 'planned', intent: { kind: 'toolCall', toolName: 'create_task' } }, {}],
  });

  const deviceKeys = await deriveRecordKeys(await masterKey(), missionRef(MISSION), [1]);
  expect(await openIteration({ keys: deviceKeys, missionId: MISSION, iteration: stored })).toEqual({
    ok: true,
    iteration,
  });

  const path = checkpointPath('run-1', 0);
  const text = await encryptField({
    keys: runnerKeys,
    version: 1,
    ref: missionRef(MISSION),
    path,
    value: { messages: [] },
  });
  expect(await decryptField({ keys: deviceKeys, ref: missionRef(MISSION), path, text })).toEqual({
    ok: true,
    value: { messages: [] },
  });
});

test('the header of sealed keys satisfies mana-auth', async () => {
  const { keysJwe, claims, recipient } = await grant();
  const check = {
    keysJwe,
    userId: USER,
    missionId: MISSION,
    grantExpSec: claims.exp,
    knownKids: [recipient.kid],
  };
  expect(checkSealedHeader(check)).toEqual({ ok: true });
});
