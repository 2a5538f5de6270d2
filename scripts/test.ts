import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { build } from './build.ts';
import { projectPath } from './process/project.ts';

/** Pure rooms first, then inside workerd, the real process, and the page in browsers: the cheapest failure shows first. */
const SUITES = ['unit', 'worker', 'system', 'page'] as const;

type Counts = { passed: number; failed: number };

function runSuite(suite: string, reportDir: string): Counts {
  const report = `${reportDir}/${suite}.json`;
  const args = [
    'run',
    '--config',
    `vitest.${suite}.config.ts`,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const { status } = spawnSync(
    process.execPath,
    [projectPath('node_modules/vitest/vitest.mjs'), ...args],
    {
      cwd: projectPath('.'),
      stdio: 'inherit',
    },
  );
  const counts = readCounts(report);
  // A suite that dies, or whose files cannot be loaded, has no failed test to show for it.
  return status === 0 ? counts : { ...counts, failed: Math.max(1, counts.failed) };
}

function readCounts(report: string): Counts {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8')) as Record<
      string,
      number
    >;
    return { passed: numPassedTests ?? 0, failed: numFailedTests ?? 0 };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const reportDir = mkdtempSync(`${tmpdir()}/mana-edge-test-`);
build();
const counts = SUITES.map((suite) => runSuite(suite, reportDir));
rmSync(reportDir, { recursive: true });
const passed = counts.reduce((sum, suite) => sum + suite.passed, 0);
const failed = counts.reduce((sum, suite) => sum + suite.failed, 0);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
