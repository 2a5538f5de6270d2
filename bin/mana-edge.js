#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// In a checkout the sources run as they are, where Node strips types; a package holds what `npm run build` made of them.
const source = new URL('../src/cli/main.ts', import.meta.url);
const built = new URL('../dist/cli/src/cli/main.js', import.meta.url);
const stripsTypes =
  Boolean(process.features.typescript) &&
  !fileURLToPath(import.meta.url).includes('/node_modules/');

if (stripsTypes && existsSync(source)) {
  const { main } = await import(source.href);
  await main();
} else if (existsSync(built)) {
  const { main } = await import(built.href);
  await main();
} else {
  process.stderr.write('mana-edge: run `npm run build` first, or use Node 24\n');
  process.exitCode = 2;
}
