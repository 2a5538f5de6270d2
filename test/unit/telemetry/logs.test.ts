import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Runs a line of code with a logger in a process of its own, because pino writes past the test runner, and answers its output. */
function logged(code: string): unknown {
  const url = new URL('../../../src/telemetry/logs.ts', import.meta.url).href;
  const program = `const { createLogger } = await import(${JSON.stringify(url)}); const log = createLogger({ component: 'test' }); ${code}`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

test('an event is one line of JSON with time, level, component, message and fields', () => {
  expect(logged(`log.warn('something happened', { code: 'A', count: 3 })`)).toEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    component: 'test',
    code: 'A',
    count: 3,
    msg: 'something happened',
  });
});

test('fields outside the closed set never reach the log', () => {
  const line = logged(`log.error('failed', { status: 500, userId: 'user-1', title: 'private' })`);
  expect(line).toMatchObject({ status: 500 });
  expect(JSON.stringify(line)).not.toMatch(/user-1|private/);
});
