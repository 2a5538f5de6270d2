import type { Words } from '../words/en.ts';
import { when } from './times.ts';
import type { Mission } from './missions.ts';
import { zoneOfMission } from './cadence-words.ts';

export type Remedy = { words: string; href: string };

/** Why a mission does not run, in a sentence, and what to do; null where it simply waits for its time. */
export function waitingOf(
  words: Words,
  mission: Mission,
): { sentence: string; remedy: Remedy | null } | null {
  const { reason, grant, waitsUntil } = mission;
  const until =
    waitsUntil === undefined
      ? ''
      : ` (${words.reasons.until(when(waitsUntil, zoneOfMission(mission)))})`;
  if (grant !== undefined && grant.state !== 'ok' && grant.state !== 'expires-soon')
    return { sentence: words.reasons.grantOver, remedy: grantRemedy(words, mission) };
  if (reason === undefined) return null;
  const known: Readonly<Record<string, unknown>> = words.reasons;
  const sentence = known[reason];
  return {
    sentence: `${typeof sentence === 'string' ? sentence : words.reasons.other(reason)}${until}`,
    remedy: remedyOf(words, mission, reason),
  };
}

function grantRemedy(words: Words, { id }: Mission): Remedy {
  return { words: words.actions.grantAgain, href: `/grants#${encodeURIComponent(id)}` };
}

function remedyOf(words: Words, mission: Mission, reason: string): Remedy | null {
  const edit = `/missions/${encodeURIComponent(mission.id)}/edit`;
  const page = `/missions/${encodeURIComponent(mission.id)}`;
  if (reason === 'grant-missing') return grantRemedy(words, mission);
  if (reason === 'invalid-cadence' || reason === 'invalid-next-run')
    return { words: words.actions.changeCadence, href: edit };
  if (reason === 'agent-paused' || reason === 'agent-archived')
    return { words: words.actions.resumeAgent, href: page };
  return reason === 'budget' ? { words: words.actions.moreTokens, href: page } : null;
}
