import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../core/api.ts';
import { useWords } from '../core/words.ts';
import type { Words } from '../words/en.ts';

/** A sentence for a code of the server. */
export function sentenceOf(words: Words, problem: ApiError): string {
  const known: Readonly<Record<string, unknown>> = words.problems;
  const sentence = Object.hasOwn(known, problem.code) ? known[problem.code] : undefined;
  if (typeof sentence === 'string') return sentence;
  return problem.message === '' ? words.problems.other : problem.message;
}

/** What went wrong, what to do, and the request's id. Where the server said when, it is asked again by then. */
export function Problem({ problem, again }: { problem: ApiError; again?: () => void }) {
  const words = useWords();
  const waits = problem.status === 0 || problem.status === 429 || problem.status === 503;
  const [leftMs, setLeftMs] = useState(problem.retryAfterMs ?? (waits ? 5_000 : 0));
  useEffect(() => {
    const untilMs = Date.now() + (problem.retryAfterMs ?? (waits ? 5_000 : 0));
    setLeftMs(untilMs - Date.now());
    if (!waits || again === undefined) return undefined;
    const timer = setInterval(() => {
      setLeftMs(untilMs - Date.now());
      if (Date.now() < untilMs) return;
      clearInterval(timer);
      again();
    }, 1_000);
    return () => clearInterval(timer);
  }, [problem]);
  return (
    <div class="notice no" role="alert">
      <p>{sentenceOf(words, problem)}</p>
      {problem.requestId !== null && (
        <span class="small code">{words.problems.id(problem.requestId)}</span>
      )}
      {again !== undefined && (
        <button type="button" class="button slim" onClick={again}>
          {waits && leftMs > 0
            ? words.problems.in(Math.ceil(leftMs / 1_000))
            : words.problems.again}
        </button>
      )}
    </div>
  );
}

/** What a call refused with, for showing it; anything else is a mistake of ours and goes on. */
export function refusalOf(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  throw thrown;
}
