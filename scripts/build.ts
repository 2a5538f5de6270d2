import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { projectPath } from './process/project.ts';

/**
 * Bundles the Workers exactly as a deployment to Cloudflare would (workerd.capnp embeds the
 * result), and makes the egress Worker and the command line.
 */
export function build(): void {
  bundle('wrangler.toml', 'dist/mana-ai');
  bundle('wrangler.mana-auth.toml', 'dist/mana-auth');
  // Wrangler wants the page to be there when it bundles the Worker that serves it.
  run('build-page.ts');
  bundle('wrangler.mana-console.toml', 'dist/mana-console/worker');
  run('strip-types.ts');
}

/**
 * In a process of its own: an image that is built already has no bundler. Node calls its stripping
 * of types experimental, on the terminal of whoever builds.
 */
function run(script: string): void {
  const path = projectPath(`scripts/process/${script}`);
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', path]);
}

function bundle(config: string, outDir: string): void {
  mkdirSync(projectPath(outDir), { recursive: true });
  execFileSync(
    process.execPath,
    [
      projectPath('node_modules/wrangler/bin/wrangler.js'),
      'deploy',
      '--dry-run',
      '--config',
      config,
      '--outdir',
      outDir,
    ],
    {
      cwd: projectPath('.'),
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
    },
  );
}

if (import.meta.main) build();
