import type { InputRef } from '../missions/mission.ts';

/**
 * Where an input's record lies in the log. If `needsGrant`, it is the person's own and may be read
 * only under a grant.
 */
export type InputSource = {
  appId: string;
  tableName: string;
  recordId: string;
  needsGrant: boolean;
};

/** The app of each module whose records can be an input. */
const APP_OF_MODULE: Readonly<Record<string, string>> = {
  notes: 'notes',
  tasks: 'todo',
  todo: 'todo',
  calendar: 'calendar',
  journal: 'journal',
  kontext: 'kontext',
  profile: 'profile',
  goals: 'companion',
};

/**
 * Tables that are plaintext by design, as `app/table`. Everything else needs a grant, other tables
 * of the same app included.
 */
const READABLE_WITHOUT_GRANT: ReadonlySet<string> = new Set(['companion/companionGoals']);

const TABLE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

/**
 * The record that a ref names; null if its module cannot be an input, or if no table can have that
 * name.
 */
export function inputSource({ module, table, id }: InputRef): InputSource | null {
  const appId = Object.hasOwn(APP_OF_MODULE, module) ? APP_OF_MODULE[module] : undefined;
  if (appId === undefined || !TABLE_NAME.test(table)) return null;
  return {
    appId,
    tableName: table,
    recordId: id,
    needsGrant: !READABLE_WITHOUT_GRANT.has(`${appId}/${table}`),
  };
}
