import { describe, expect, test } from 'vitest';
import { boundedLabel } from '../../../src/telemetry/bounded-label.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

/** The names that existing dashboards and alerts use. */
const COUNTERS = [
  'ticks',
  'plans_produced',
  'plans_written_back',
  'parse_failures',
  'mission_errors',
  'snapshots_new',
  'snapshots_updated',
  'snapshot_rows_applied',
  'decrypts',
  'grant_scope_violations',
  'grant_skips',
  'agent_decisions',
  'tokens_used',
  'tool_calls',
  'provider_errors',
  'http_requests',
  'reminders_emitted',
  'research_jobs_submitted',
  'research_jobs_completed',
  'research_jobs_failed',
  'research_jobs_pending_skips',
];
const HISTOGRAMS = [
  'tick_duration_seconds',
  'planner_request_duration_seconds',
  'planner_rounds',
  'http_request_duration_seconds',
];

describe('metrics', () => {
  test('every name that dashboards use is there with its type', async () => {
    const text = await createMetrics().registry.metrics();
    for (const name of COUNTERS) expect(text).toContain(`# TYPE mana_ai_${name}_total counter`);
    for (const name of HISTOGRAMS) expect(text).toContain(`# TYPE mana_ai_${name} histogram`);
  });

  test('counters without labels start at zero', async () => {
    expect(await createMetrics().registry.metrics()).toContain('mana_ai_parse_failures_total 0');
  });

  test('agents past the 200th are counted together as other', async () => {
    const metrics = createMetrics();
    for (let index = 0; index < 300; index += 1)
      metrics.tokensUsed.inc({ agent_id: `agent-${index}` }, 10);
    metrics.tokensUsed.inc({ agent_id: 'agent-0' }, 5);
    const text = await metrics.registry.metrics();
    expect(text).toContain('mana_ai_tokens_used_total{agent_id="other"} 1000');
    expect(text).toContain('mana_ai_tokens_used_total{agent_id="agent-0"} 15');
    expect(text.match(/^mana_ai_tokens_used_total\{/gm)).toHaveLength(201);
  });

  test('an overlong value is counted as other and takes no place', () => {
    const label = boundedLabel(1);
    expect(['x'.repeat(129), 'x'.repeat(128)].map(label)).toEqual(['other', 'x'.repeat(128)]);
  });

  test('a bounded label keeps the values it saw first', () => {
    const label = boundedLabel(2);
    expect(['a', 'b', 'c', 'a'].map(label)).toEqual(['a', 'b', 'other', 'a']);
  });
});
