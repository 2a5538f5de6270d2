import { type ManaAiConfig, parseManaAiConfig } from '../../src/config/mana-ai.ts';
import { parseManaAuthConfig } from '../../src/config/mana-auth.ts';
import { type Environment, StartError } from './environment.ts';

/**
 * The runner's configuration, once the grants Worker's is well-formed too. Throws StartError that
 * names the malformed variable.
 */
export function checkedConfig(environment: Environment): ManaAiConfig {
  const grants = parseManaAuthConfig(environment);
  if (!grants.ok) throw new StartError(`${grants.variable} ${grants.message}`);
  const runner = parseManaAiConfig(environment);
  if (!runner.ok) throw new StartError(`${runner.variable} ${runner.message}`);
  return runner.config;
}
