import { Client } from 'pg';
import { readIterations } from '../../src/missions/iteration.ts';
import { isEncrypted } from '../../src/missions/mission.ts';

const LOOK_EVERY_MS = 500;

/** Prints each iteration that the runner writes from now on, until it is stopped. */
export async function printIterations(
  databaseUrl: string,
  print: (text: string) => void,
): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  const seen = new Set<string>();
  const look = async (isNew: (text: string) => void): Promise<void> => {
    const { rows } = await client.query<{
      id: string;
      record_id: string;
      iterations: unknown;
      next_run_at: string | null;
    }>(
      `select id, record_id, data->'iterations' as iterations, data->>'nextRunAt' as next_run_at from sync_changes
       where client_id = 'mana-ai-runner' and data ? 'iterations' and created_at > now() - interval '10 minutes' order by created_at`,
    );
    for (const row of rows.filter(({ id }) => !seen.has(id))) {
      seen.add(row.id);
      isNew(describe(row));
    }
  };
  await look(() => undefined);
  const timer = setInterval(() => void look(print).catch(() => undefined), LOOK_EVERY_MS);
  return async () => {
    clearInterval(timer);
    await client.end();
  };
}

function describe(row: {
  record_id: string;
  iterations: unknown;
  next_run_at: string | null;
}): string {
  const latest = readIterations(row.iterations).at(-1);
  if (isEncrypted(latest?.summary ?? '')) {
    return `mission ${row.record_id} was planned (${latest?.overallStatus ?? 'unknown'}); it is encrypted: npm run read -- ${row.record_id}`;
  }
  const steps = (latest?.plan ?? []).map(
    (step, index) => `    ${index + 1}. ${step.summary ?? step.id}`,
  );
  return [
    `mission ${row.record_id} was planned (${latest?.overallStatus ?? 'unknown'}), next run ${row.next_run_at ?? 'none'}`,
    ...(latest?.summary ? [`    ${latest.summary}`] : []),
    ...steps,
  ].join('\n');
}
