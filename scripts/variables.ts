/**
 * `npm run variables`: writes what follows from src/config/variables.ts into the files that hold
 * it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { GENERATED } from './generated/variable-texts.ts';
import { projectPath } from './process/project.ts';

for (const [path, generate] of Object.entries(GENERATED)) {
  const present = readFileSync(projectPath(path), 'utf8');
  const text = generate(present);
  if (text === present) continue;
  writeFileSync(projectPath(path), text);
  console.log(`wrote ${path}`);
}
