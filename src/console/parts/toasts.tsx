import { useEffect, useState } from 'preact/hooks';
import {
  type Batch,
  batches,
  forgetOutcomes,
  type Outcome,
  outcomes,
  sendNow,
  undo,
} from '../core/decisions.ts';
import { useWatched } from '../core/store.ts';
import { useWords } from '../core/words.ts';
import type { Words } from '../words/en.ts';
import { sentenceOf } from './problem.tsx';

/** What is about to be sent, and what came of what was sent. */
export function Toasts() {
  const words = useWords();
  const waiting = useWatched(batches);
  const told = useWatched(outcomes);
  const shown = told.slice(-4);
  return (
    <div class="toasts">
      {shown.length > 0 && (
        <div class="toast" role="status">
          <div class="tight">
            {shown.map((outcome, index) => (
              <Told key={index} outcome={outcome} />
            ))}
          </div>
          <button type="button" class="button quiet slim" onClick={forgetOutcomes}>
            {words.outcome.dismiss}
          </button>
        </div>
      )}
      {waiting.map((batch) => (
        <Sending key={batch.id} batch={batch} />
      ))}
    </div>
  );
}

function Sending({ batch }: { batch: Batch }) {
  const words = useWords();
  const [nowMs, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((batch.sendAtMs - nowMs) / 1_000));
  return (
    <div class="toast" data-batch={batch.id}>
      <p class="numbers">{words.inbox.sendsIn(seconds)}</p>
      <button type="button" class="button slim" onClick={() => void undo()}>
        {words.inbox.undo} <kbd>z</kbd>
      </button>
      <button type="button" class="button quiet slim" onClick={() => void sendNow(batch.id)}>
        {words.inbox.sendNow}
      </button>
    </div>
  );
}

function Told({ outcome }: { outcome: Outcome }) {
  const words = useWords();
  const [first] = outcome.kind === 'carried-out' ? outcome.refs : [];
  return (
    <p data-outcome={outcome.kind}>
      {sentenceOfOutcome(words, outcome)}{' '}
      {first !== undefined && (
        <a href={`/records/${encodeURIComponent(first.module)}#${encodeURIComponent(first.id)}`}>
          {words.outcome.look}
        </a>
      )}
    </p>
  );
}

function sentenceOfOutcome(words: Words, outcome: Outcome): string {
  if (outcome.kind === 'carried-out') return outcome.did;
  if (outcome.kind === 'app-will') return words.outcome.appWill;
  if (outcome.kind === 'rejected') return words.outcome.rejected;
  if (outcome.kind === 'changed') return words.outcome.changed;
  return outcome.kind === 'failed' ? sentenceOf(words, outcome.problem) : words.outcome.byHand;
}
