import { useWords } from '../core/words.ts';

/** Any value of a record as text; markup in it is text too. */
export function ValueText({ value }: { value: unknown }) {
  const words = useWords();
  if (value === null || value === undefined || value === '') return <>{words.inbox.nothing}</>;
  if (typeof value === 'string') return <>{value.startsWith('enc:') ? words.lock.sealed : value}</>;
  if (typeof value === 'number' || typeof value === 'boolean') return <>{String(value)}</>;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return <>{value.join(', ')}</>;
  return <code>{JSON.stringify(value)}</code>;
}
