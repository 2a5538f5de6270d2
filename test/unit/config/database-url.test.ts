import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDatabaseUrl, tcpTarget } from '../../../src/config/database-url.ts';

function target(url: string, variables = {}) {
  const read = readDatabaseUrl(url, variables);
  if (!read.ok) throw new Error(read.message);
  return read.target;
}

function refusal(url: string, variables = {}): string {
  const read = readDatabaseUrl(url, variables);
  return read.ok ? 'taken' : read.message;
}

describe('sslmode', () => {
  test.each([
    ['', 'prefer', 'verify-full'],
    ['sslmode=REQUIRE', 'require', 'require'],
    ['sslmode=Verify-CA', 'verify-ca', 'verify-ca'],
    ['sslmode=no-verify', 'require', 'require'],
    ['sslmode=allow', 'prefer', 'prefer'],
    ['ssl=true', 'verify-full', 'verify-full'],
    ['ssl=no-verify', 'require', 'require'],
    ['ssl=0', 'disable', 'disable'],
    ['requiressl=1', 'require', 'require'],
  ])('%j is %s on a local host and %s elsewhere', (query, local, elsewhere) => {
    expect(target(`postgres://u:p@localhost/d?${query}`).sslMode).toBe(local);
    expect(target(`postgres://u:p@db.example.org/d?${query}`).sslMode).toBe(elsewhere);
  });

  test('comes from PGSSLMODE where the URL says nothing', () => {
    expect(target('postgres://u:p@localhost/d', { PGSSLMODE: 'verify-full' }).sslMode).toBe(
      'verify-full',
    );
    expect(
      target('postgres://u:p@localhost/d?sslmode=disable', { PGSSLMODE: 'require' }).sslMode,
    ).toBe('disable');
  });

  test('of a Worker decides whether it encrypts by itself', () => {
    expect(tcpTarget('postgres://u:p@db.example.org/d').encrypt).toBe(true);
    expect(tcpTarget('postgres://u:p@db.example.org/d?sslmode=disable').encrypt).toBe(false);
    expect(tcpTarget('postgres://u:p@127.0.0.1/d').encrypt).toBe(false);
  });
});

describe('what only the environment or a parameter holds', () => {
  test('is written into the URL', () => {
    const variables = { PGUSER: 'ann', PGPASSWORD: 'p/ö', PGPORT: '6432', PGDATABASE: 'mana' };
    const { url } = target('postgres://localhost', variables);
    expect(url).toBe('postgres://ann:p%2F%C3%B6@localhost:6432/mana');
    expect(target('postgres:///mana?host=::1&port=5&user=u').url).toBe('postgres://u@[::1]:5/mana');
  });

  test('never overrules what the URL says', () => {
    const variables = { PGUSER: 'x', PGPASSWORD: 'x', PGPORT: '1', PGDATABASE: 'x' };
    expect(target('postgres://u:p@h:5/d', variables).url).toBe('postgres://u:p@h:5/d');
  });

  test('addresses of IPv6 lose their brackets for sockets', () => {
    expect(target('postgres://u:p@[::1]:5/d')).toMatchObject({ host: '::1', port: 5 });
  });
});

describe('what cannot be kept is refused by its name', () => {
  test.each([
    ['postgres://u:p@h/d?sslmode=prefer&sslmode=require', 'sslmode twice'],
    ['postgres://u:p@h/d?sslmode=require&ssl=false', 'two different wishes'],
    ['postgres://u:p@h/d?sslmode=sure', 'none of disable'],
    ['postgres://u:p@h/d?channel_binding=require', 'channel_binding'],
    ['postgres://u:p@h/d?sslkey=k', 'sslkey'],
    ['postgres://u:p@h/d?gssencmode=require', 'gssencmode'],
    ['postgres://u:p@h/d?sslnegotiation=direct', 'sslnegotiation'],
    ['postgres://u:p@h/d?ssl_min_protocol_version=TLSv1.3', 'ssl_min_protocol_version'],
    ['postgres://u:p@h/d?target_session_attrs=read-only', 'target_session_attrs'],
    ['postgres://u:p@h/d?sslrootcert=system&sslmode=require', 'sslrootcert'],
    ['postgres://u:p@a,b/d', 'several hosts'],
    ['postgres:///d?host=a,b', 'several hosts'],
    ['postgres://%2Fvar%2Frun/d', 'Unix socket'],
    ['postgres:///d?host=/var/run', 'Unix socket'],
    ['postgres:///d', 'Unix socket'],
    ['postgres://u:p@h/d?port=http', 'port'],
    ['mysql://u:p@h/d', 'postgres://'],
    ['postgres://u:50%@h/d', '%25'],
  ])('%s', (url, words) => {
    expect(refusal(url)).toContain(words);
  });

  test('Neon prints channel_binding=require; over HTTPS it holds more than that', () => {
    expect(refusal('postgres://u:p@ep-1.eu.aws.neon.tech/d?channel_binding=require')).toBe('taken');
  });
});

describe('whatever the text', () => {
  test('nothing is thrown, and no refusal holds a part of it that could be the password', () => {
    const password = 'hunter2-and-more';
    const query = fc.array(fc.tuple(fc.constantFrom('sslmode', 'ssl', 'host', 'x'), fc.string()));
    fc.assert(
      fc.property(fc.string(), query, (host, pairs) => {
        const url = `postgres://u:${password}@${host}/d?${new URLSearchParams(pairs).toString()}`;
        const read = readDatabaseUrl(url);
        if (!read.ok) expect(read.message).not.toContain(password);
      }),
    );
  });
});
