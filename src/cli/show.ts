import { isRecord } from '../values/fields.ts';
import { isEncrypted } from '../missions/mission.ts';
import { readIterations, type PlanStepView } from '../missions/iteration.ts';
import type { OwnerMission } from '../missions/views.ts';
import type { Prospect } from './carrying.ts';
import { type Cell, type Colour, printable, table, type Terminal } from './terminal.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

const COLOURS: Readonly<Record<string, Colour>> = {
  running: 'cyan',
  queued: 'cyan',
  waiting: 'yellow',
  idle: 'dim',
  'awaiting-review': 'yellow',
  approved: 'green',
  rejected: 'red',
  failed: 'red',
};

/** Missions as a table. */
export function missionTable(terminal: Terminal, missions: readonly OwnerMission[]): string {
  if (missions.length === 0)
    return 'No missions yet. `mana-edge missions add "What to do"` makes one.';
  const rows = missions.map((mission): Cell[] => [
    mission.id,
    mission.state === 'active' ? painted(mission.status) : { text: mission.state, colour: 'dim' },
    mission.reason ?? '',
    mission.nextRunAt ?? '-',
    cadenceText(mission.cadence),
    waiting(mission) === 0 ? '' : { text: `${waiting(mission)} to review`, colour: 'yellow' },
    shown(mission.title || mission.objective),
  ]);
  return table(terminal, ['ID', 'STATUS', 'REASON', 'NEXT RUN', 'CADENCE', 'PLANS', 'TITLE'], rows);
}

/** One mission with its newest iterations. */
export function missionText(terminal: Terminal, mission: OwnerMission): string {
  const facts = [
    ['id', mission.id],
    ['state', mission.state],
    [
      'status',
      mission.reason === undefined ? mission.status : `${mission.status} (${mission.reason})`,
    ],
    ['cadence', cadenceText(mission.cadence)],
    ['next run', mission.nextRunAt ?? '-'],
    ...(mission.grant === undefined
      ? []
      : [
          [
            'grant',
            `${mission.grant.grantId}, ${mission.grant.state}, until ${mission.grant.expiresAt}`,
          ],
        ]),
    ['objective', shown(mission.objective)],
  ].map(
    ([name = '', value = '']) => `  ${terminal.paint('dim', name.padEnd(9))} ${printable(value)}`,
  );
  const iterations = readIterations(mission.iterations)
    .slice(-5)
    .map((iteration) => {
      const { overallStatus, startedAtMs, summary, userFeedback } = iteration;
      const when = startedAtMs === null ? '' : new Date(startedAtMs).toISOString();
      const status = overallStatus ?? 'unknown';
      return [
        `\n${terminal.paint('bold', when)} ${terminal.paint(COLOURS[status] ?? 'dim', status)}  ${terminal.paint('dim', printable(iteration.id))}`,
        ...(summary === null ? [] : [`  ${printable(shown(summary))}`]),
        ...iteration.plan.map((step, index) => `  ${index + 1}. ${stepLine(terminal, step)}`),
        ...(userFeedback === null ? [] : [`  you: ${printable(shown(userFeedback))}`]),
      ].join('\n');
    });
  return [
    terminal.paint('bold', printable(shown(mission.title) || mission.id)),
    ...facts,
    ...iterations,
  ].join('\n');
}

/** A step in one line. */
export function stepLine(terminal: Terminal, { summary, status, id }: PlanStepView): string {
  const state =
    status === null || status === 'planned'
      ? ''
      : ` ${terminal.paint(COLOURS[status] ?? 'dim', `[${status}]`)}`;
  return `${printable(shown(summary ?? id))}${state}`;
}

/** What a step would do, with all that a person needs to decide. */
export function stepText(terminal: Terminal, step: PlanStepView): string {
  const { intent, rationale } = step;
  const lines = [stepLine(terminal, step)];
  if (rationale !== null)
    lines.push(terminal.paint('dim', `   why: ${printable(shown(rationale))}`));
  if (intent?.kind === 'note') lines.push(`   note: ${printable(shown(intent.body))}`);
  if (intent?.kind === 'toolCall') {
    lines.push(
      `   ${terminal.paint('cyan', printable(intent.toolName))} ${printable(JSON.stringify(intent.params))}`,
    );
  }
  return lines.join('\n');
}

/** What approving a step would do, before it is asked for. */
export function effectText(terminal: Terminal, prospect: Prospect): string {
  const lines = effectLines(prospect).map((line) => `   ${printable(line)}`);
  return terminal.paint('dim', lines.join('\n'));
}

function effectLines(prospect: Prospect): string[] {
  if (prospect.kind === 'app') {
    const words = { publish: ', and it publishes', spend: ', and it costs something' };
    const more = words[prospect.effect as keyof typeof words] ?? '';
    return [`only the app can do this${more}; approving hands it over`];
  }
  if (prospect.kind === 'hand') {
    const { problem } = prospect;
    return problem === null
      ? ['approving marks it as done by hand']
      : [problem, 'It cannot be carried out here; approving marks it as done by hand.'];
  }
  if (prospect.shown.length === 0) return [prospect.did];
  return prospect.shown.flatMap(({ op, table: name, fields }) => [
    `${OPS[op]} ${name}`,
    ...fields.map(
      ({ name: field, before, after }) => `  ${field}: ${changeText(op, before, after)}`,
    ),
  ]);
}

const OPS = { insert: 'creates', update: 'changes', delete: 'deletes' } as const;

function changeText(op: keyof typeof OPS, before: unknown, after: unknown): string {
  if (op === 'insert') return valueText(after);
  return op === 'delete' ? valueText(before) : `${valueText(before)} -> ${valueText(after)}`;
}

const LONGEST_VALUE = 300;

/** A value of a record in one line. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '(nothing)';
  const text = typeof value === 'string' ? shown(value) : JSON.stringify(value);
  const line = text
    .split('\n')
    .map((part) => part.trim())
    .join(' / ');
  return line.length > LONGEST_VALUE ? `${line.slice(0, LONGEST_VALUE)}…` : line;
}

function waiting({ iterations }: OwnerMission): number {
  return iterations.filter((item) => isRecord(item) && item['overallStatus'] === 'awaiting-review')
    .length;
}

function painted(status: string): Cell {
  return { text: status, colour: COLOURS[status] ?? 'green' };
}

function shown(text: string): string {
  return isEncrypted(text) ? '(encrypted)' : text;
}

/** A cadence in words. */
export function cadenceText(value: unknown): string {
  if (!isRecord(value)) return '-';
  const zone = typeof value['timeZone'] === 'string' ? ` ${value['timeZone']}` : '';
  const time = `${two(value['atHour'])}:${two(value['atMinute'] ?? 0)}${zone}`;
  switch (value['kind']) {
    case 'interval':
      return `every ${String(value['everyMinutes'])} min`;
    case 'daily':
      return `daily ${time}`;
    case 'weekly':
      return `${DAYS[Number(value['dayOfWeek'])] ?? ''} ${time}`;
    case 'cron':
      return `cron ${String(value['expression'])}${zone}`;
    default:
      return 'by hand';
  }
}

function two(value: unknown): string {
  return String(value).padStart(2, '0');
}
