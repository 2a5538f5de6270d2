import type { ComponentHealth } from '../missions/views.ts';
import type { HealthAnswer } from './routes/health.ts';

/** The state of the runner in sentences, the most pressing first; `nowMs` since the epoch. */
export function statusWords(
  { postgres, llm, tick, notices }: Omit<HealthAnswer, 'workerd'>,
  nowMs: number,
): string[] {
  const wrong = [
    ...trouble('PostgreSQL', postgres, nowMs),
    ...trouble('The language model', llm, nowMs),
  ];
  return [
    ...(wrong.length === 0 ? [answerWords(llm.tools)] : wrong),
    ...toolWords(llm.tools),
    ...notices.map((notice) => noticeWords(notice, nowMs)),
    queueWords(tick),
    tickWords(tick, nowMs),
  ];
}

function trouble(name: string, { ok, since, error }: ComponentHealth, nowMs: number): string[] {
  if (ok) return [];
  const forHowLong =
    since === undefined ? '' : ` for ${duration(nowMs - Date.parse(since))} (since ${since})`;
  return [
    `${name} does not work${forHowLong}: ${error?.message ?? 'the reason is not known'} [${error?.code ?? 'UNKNOWN'}].`,
  ];
}

/** Without a word of the model its health is only that nobody has failed at it so far. */
function answerWords(tools: HealthAnswer['llm']['tools']): string {
  if (tools !== undefined) return 'PostgreSQL and the language model answer.';
  return 'PostgreSQL answers; the language model has not answered yet, and if that stays, the log says why (it is asked at the start and by each mission).';
}

function toolWords(tools: HealthAnswer['llm']['tools']): string[] {
  return tools === 'none'
    ? ['The language model calls no tools: plans will have no steps. Take another model.']
    : [];
}

function noticeWords({ code, message, since }: HealthAnswer['notices'][number], nowMs: number) {
  return `For ${duration(nowMs - Date.parse(since))}: ${message} [${code}].`;
}

function queueWords({ queued, running }: HealthAnswer['tick']): string {
  if (queued === null || running === null) return 'How many missions wait is not known right now.';
  if (queued + running === 0) return 'Nobody has a mission that is due.';
  return `${people(queued)} with a due mission wait${queued === 1 ? 's' : ''}, ${people(running)} ${running === 1 ? 'is' : 'are'} being served.`;
}

function tickWords({ enabled, lastTickAt }: HealthAnswer['tick'], nowMs: number): string {
  const last =
    lastTickAt === null
      ? 'nothing has run yet'
      : `the last run began ${duration(nowMs - Date.parse(lastTickAt))} ago`;
  return enabled
    ? `Missions run by themselves; ${last}.`
    : `Nothing runs by itself (MANA_AI_TICK_ENABLED is false), only POST /internal/tick; ${last}.`;
}

function people(count: number): string {
  return count === 1 ? '1 person' : `${count} people`;
}

function duration(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1_000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
