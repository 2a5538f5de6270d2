import type { ToolAbility } from '../../src/model/probe.ts';
import type { DependencyState, OutageReport } from './outage-state.ts';

/**
 * How a call of the model ended. `tools`: how the model made calls in this answer; null or absent
 * if it made none.
 */
export type LlmReport = { missionId: string } & (
  { kind: 'ok'; tools?: 'native' | 'text' | null } | ({ kind: 'outage' } & OutageReport)
);

/** What the run does next. 'own-failure': the outage is this mission's alone. */
export type CallWord = 'go-on' | 'draining' | 'own-failure';

/** `tools` is absent as long as nothing is known of the model. */
export type LlmState = DependencyState & { locality: 'local' | 'remote'; tools?: ToolAbility };
