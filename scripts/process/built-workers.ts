import { existsSync, readdirSync, statSync } from 'node:fs';
import { build } from '../build.ts';
import { projectPath } from './project.ts';

const SOURCES = [
  'src',
  'durable-objects',
  'wrangler.toml',
  'wrangler.mana-auth.toml',
  'wrangler.mana-console.toml',
  'package-lock.json',
];
const BUNDLES = [
  'dist/mana-ai/index.js',
  'dist/mana-auth/index.js',
  'dist/mana-console/worker/index.js',
  'dist/mana-console/page/index.html',
  'dist/egress/src/egress/worker.js',
];

/**
 * Bundles the Workers unless the bundles are there and newer than all they are made of (an image
 * brings them ready made).
 */
export function ensureBuilt(): void {
  const bundles = BUNDLES.map((path) => projectPath(path));
  if (bundles.every((path) => existsSync(path))) {
    const builtMs = Math.min(...bundles.map((path) => statSync(path).mtimeMs));
    if (newestMs(SOURCES) <= builtMs) return;
  }
  build();
}

function newestMs(paths: readonly string[]): number {
  return Math.max(0, ...paths.map((path) => newestBelowMs(projectPath(path))));
}

function newestBelowMs(path: string): number {
  if (!existsSync(path)) return 0;
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestBelowMs(`${path}/${name}`)));
}
