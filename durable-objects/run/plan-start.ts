import type { GrantReason } from '../../src/grants/index.ts';
import type { Agent } from '../../src/missions/agent.ts';
import { readIterations } from '../../src/missions/iteration.ts';
import type { Mission } from '../../src/missions/mission.ts';
import { linksGiven, type PlanLinks } from '../../src/planner/links.ts';
import { type PlanState, startPlan } from '../../src/planner/plan.ts';
import { buildPrompt, PROMPT_VERSION } from '../../src/planner/prompt.ts';
import type { Findings } from '../../src/planner/research.ts';
import { CATALOG } from '../../src/planner/tools/index.ts';
import { stepsToRepeat } from '../../src/planner/vault-failures.ts';
import { metrics } from '../../src/telemetry/metrics.ts';
import { agentToOpen, agentWith } from './agent.ts';
import { type InputsReading, resolveInputs } from './inputs.ts';
import type { RunRecords } from './records.ts';
import type { RunFindings } from './research.ts';
import type { RunScope } from './scope.ts';

export type PlanStart = {
  scope: RunScope;
  records: RunRecords;
  found: RunFindings;
  settings: { locale: string; timeZone: string };
  /** keeps why inputs stayed closed, for whoever looks at the mission */
  noteRefusals: (refusals: readonly GrantReason[]) => void;
};

/**
 * Reads the mission's inputs and makes the prompt of its plan.
 * @returns null if the mission has inputs and every one of them stays closed
 * @throws PostgresError, AuditError
 */
export async function planOf(start: PlanStart): Promise<PlanState | null> {
  const { scope, records } = start;
  const reading = await resolveInputs(scope.mission.inputs, records, agentToOpen(scope));
  start.noteRefusals(reading.refusals);
  if (reading.inputs.length === 0 && reading.refusals.length > 0) return null;
  metrics.prompts.inc({ version: String(PROMPT_VERSION) });
  return planWith(start, reading, agentWith(scope.agent, reading.also[0]));
}

function planWith(
  { scope, found, settings }: PlanStart,
  { inputs }: InputsReading,
  agent: Agent | null,
): PlanState {
  const { mission } = scope;
  const parts = { mission, inputs, research: researchOf(found) };
  const delimiter = crypto.randomUUID();
  const prompt = buildPrompt({
    ...parts,
    lastIterations: readIterations(mission.iterations),
    persona: agent?.systemPrompt ?? null,
    memory: agent?.memory ?? null,
    locale: settings.locale,
    nowIso: new Date().toISOString(),
    timeZone: zoneOf(mission, settings),
    delimiter,
  });
  const titles = inputs.flatMap(({ id, title }) =>
    id === undefined ? [] : [[id, title] as const],
  );
  return startPlan({
    ...prompt,
    delimiter,
    titles: Object.fromEntries(titles),
    notes: found.kind === 'failed' ? [found.note] : [],
    steps: stepsToRepeat(mission.iterations, { agent: scope.agent, tools: CATALOG }),
    // A link can carry out what was read: under a grant only links that came in may leave.
    ...(scope.grant === null ? {} : startLinks(linksGiven(parts))),
  });
}

function startLinks({ mission, ...readLinks }: PlanLinks): {
  links: string[];
  readLinks: Omit<PlanLinks, 'mission'>;
} {
  return { links: mission, readLinks };
}

function researchOf(found: RunFindings): Findings | 'failed' | undefined {
  if (found.kind === 'none') return undefined;
  return found.kind === 'ready' ? found.findings : 'failed';
}

/** The zone that the mission's own days are in, else the one of the settings. */
export function zoneOf({ cadence }: Mission, { timeZone }: { timeZone: string }): string {
  const own = cadence.ok && 'timeZone' in cadence.cadence ? cadence.cadence.timeZone : undefined;
  return own ?? timeZone;
}
