import { type Dialect, THOUGHTS_OFF, type ThoughtsOff, USUAL } from '../planner/adaptation.ts';

export { type Dialect, THOUGHTS_OFF, type ThoughtsOff, USUAL };

/** A dialect as it was stored; fields that an older build did not know have their usual value. */
export function dialectOf(stored: Partial<Dialect> | null): Dialect {
  return { ...USUAL, ...stored };
}

/** Each thing that was learnt in a few words, for people: `max_completion_tokens`, `no temperature`; [] for the usual form. */
export function describeDialect(dialect: Dialect): string[] {
  const { limitName, callIds, callsAMessage, emptyContent, answerLimit, context } = dialect;
  return [
    ...said(limitName !== USUAL.limitName, limitName ?? 'no limit of the answer'),
    ...dialect.withoutParameters.map((name) => `no ${name}`),
    ...dialect.withoutKeywords.map((name) => `no ${name} in schemas`),
    ...said(callIds === 'nine', 'ids of nine characters'),
    ...said(callsAMessage === 'one', 'one call a message'),
    ...said(emptyContent !== USUAL.emptyContent, `empty content as ${emptyContent}`),
    ...said(dialect.rules === 'user', 'no system message'),
    ...said(dialect.results === 'user', 'no tool messages'),
    ...said(dialect.extras === 'dropped', 'thoughts are not returned'),
    ...said(dialect.thoughtsOff !== USUAL.thoughtsOff, `thoughts off by ${dialect.thoughtsOff}`),
    ...said(dialect.thinks, 'it thinks'),
    ...said(answerLimit !== null, `answers of at most ${answerLimit} tokens`),
    ...said(context !== null, `context of ${context} tokens`),
  ];
}

function said(learnt: boolean, words: string): string[] {
  return learnt ? [words] : [];
}
