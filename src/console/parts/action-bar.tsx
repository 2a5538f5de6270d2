import { useEffect, useState } from 'preact/hooks';
import { marks } from '../core/decisions.ts';
import { isOpen } from '../core/missions.ts';
import { focusedStep, type SeenStep, seenSteps } from '../core/seen-steps.ts';
import { useWatched } from '../core/store.ts';
import { useWords } from '../core/words.ts';
import { decideSeen } from '../core/decide-seen.ts';
import { editing } from '../core/seen-steps.ts';

/** On a phone: what can be done with the step in focus. It shows the step that was focused last. */
export function ActionBar() {
  const words = useWords();
  const [key, setKey] = useState<string | null>(null);
  useWatched(marks);
  useEffect(() => {
    const look = (): void => {
      const seen = focusedStep();
      if (seen !== null) setKey(`${String(seen.iteration['id'])}\n${String(seen.step['id'])}`);
    };
    document.addEventListener('focusin', look);
    return () => document.removeEventListener('focusin', look);
  }, []);
  const seen = key === null ? undefined : seenSteps.get(key);
  if (seen === undefined || !isOpen(seen.step) || seen.readable === null) return null;
  return (
    <div class="bar" role="group" aria-label={words.inbox.title}>
      <Decide seen={seen} />
      <button type="button" class="button quiet" onClick={() => editing.set(key)}>
        {words.inbox.edit}
      </button>
    </div>
  );
}

function Decide({ seen }: { seen: SeenStep }) {
  const words = useWords();
  return (
    <>
      <button type="button" class="button primary" onClick={() => void decideSeen(seen, 'approve')}>
        {words.inbox.approve}
      </button>
      <button type="button" class="button" onClick={() => void decideSeen(seen, 'reject')}>
        {words.inbox.reject}
      </button>
    </>
  );
}
