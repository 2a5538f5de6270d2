import type { Run } from '../core/runs.ts';
import { number, span } from '../core/times.ts';
import { useWords } from '../core/words.ts';

/** What was read, by which model, at what cost: one line. */
export function PrivacyLine({ run }: { run: Run | null }) {
  const words = useWords();
  if (run === null) return null;
  const sum = (part: 'promptTokens' | 'answerTokens' | 'ms'): number =>
    run.rounds.reduce((total, round) => total + round[part], 0);
  const tookMs =
    run.finishedAt === undefined
      ? sum('ms')
      : Date.parse(run.finishedAt) - Date.parse(run.startedAt);
  const { local, remote } = words.privacy;
  return (
    <p class="line numbers">
      <span>{words.privacy.read(run.opened)}</span>
      {run.model !== undefined && (
        <span>{words.privacy.model(run.model, run.locality === 'remote' ? remote : local)}</span>
      )}
      <span>{words.privacy.tokens(number(sum('promptTokens')), number(sum('answerTokens')))}</span>
      <span>{words.privacy.rounds(run.rounds.length)}</span>
      <span>{span(tookMs)}</span>
    </p>
  );
}
