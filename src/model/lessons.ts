import { type Dialect, THOUGHTS_OFF } from './dialect.ts';
import type { Refusal } from './refusal.ts';

/** What a request carried that a refusal can be about. */
export type SentForm = {
  /** names of its parameters */
  parameters: readonly string[];
  /** keywords of JSON Schema in its tools */
  keywords: readonly string[];
  /** its longest answer, in tokens */
  maxTokens: number;
  /** its history has a message of the assistant that calls without words */
  hasBareCalls: boolean;
  /** its history has a message of the assistant with several calls */
  hasManyCalls: boolean;
  /** its history has results of calls */
  hasResults: boolean;
  /** fields of the model's own messages and calls went back to it */
  hasExtras: boolean;
};

type Lesson = {
  /** what the words of the refusal must say */
  says: RegExp;
  /** the dialect that may be taken instead; null where it changes nothing of this request */
  learn: (dialect: Dialect, sent: SentForm, refusal: Refusal) => Dialect | null;
};

/** Parameters that may be left out where a server refuses them. Messages, model and tools are no such. */
const SPARED = new Set([
  'messages',
  'model',
  'tools',
  'stream',
  'max_tokens',
  'max_completion_tokens',
]);

/** An answer that is shorter than this has no room for a plan. */
const LEAST_ANSWER = 256;

/** What refusals teach, the most telling words first. Each changes what is sent, so none is learnt twice. */
const LESSONS: readonly Lesson[] = [
  {
    // `stream: true` is all that such a server takes, or what it does not take.
    says: /stream/i,
    learn: (dialect, sent, { text }) => {
      if (/stream_options/i.test(text) && sent.parameters.includes('stream_options'))
        return without(dialect, 'stream_options');
      const only =
        /(?:must|only|required?|needs?|set)[^.]{0,60}stream|stream[^.]{0,60}(?:must|only|required?|mandatory|true)/i;
      const wanted = !dialect.stream && only.test(text);
      const refused = dialect.stream && !only.test(text);
      return wanted || refused ? { ...dialect, stream: wanted } : null;
    },
  },
  {
    says: /max_(?:completion_)?tokens|max_output_tokens|in the completion|completion tokens/i,
    learn: (dialect, sent, refusal) => {
      const { limitName } = dialect;
      if (limitName === null) return null;
      if (isTooLarge(refusal.text) || /in the completion/i.test(refusal.text))
        return shorterAnswer(dialect, sent, refusal);
      if (!new RegExp(`\\b${limitName}\\b`).test(`${refusal.text} ${refusal.param ?? ''}`))
        return null;
      return { ...dialect, limitName: limitName === 'max_tokens' ? 'max_completion_tokens' : null };
    },
  },
  {
    says: /tool[ _-]?call[ _-]?id|call id|length of 9|nine characters|9 (?:alphanumeric )?characters/i,
    learn: (dialect) => (dialect.callIds === 'nine' ? null : { ...dialect, callIds: 'nine' }),
  },
  {
    says: /(?:single|one|multiple|several|parallel)[^.]{0,24}tool[ _-]?calls?|tool[ _-]?calls?[^.]{0,40}(?:at once|per message|at a time)/i,
    learn: (dialect, sent) =>
      dialect.callsAMessage === 'many' && sent.hasManyCalls
        ? { ...dialect, callsAMessage: 'one' }
        : null,
  },
  {
    says: /system (?:role|message|prompt)s?[^.]{0,30}not (?:supported|allowed)|(?:support|allow)[^.]{0,16}system (?:role|message)|developer instruction is not enabled/i,
    learn: (dialect) => (dialect.rules === 'system' ? { ...dialect, rules: 'user' } : null),
  },
  {
    says: /role[^.]{0,30}['"`]?tool['"`]?|must alternate|unexpected role|unknown role|tool (?:role|message)s?[^.]{0,30}not (?:supported|allowed)/i,
    learn: (dialect, sent) =>
      dialect.results === 'tool' && sent.hasResults ? { ...dialect, results: 'user' } : null,
  },
  {
    says: /content/i,
    learn: (dialect, sent) => {
      if (!sent.hasBareCalls) return null;
      const next = { text: 'null', null: 'absent', absent: 'dot', dot: null } as const;
      const form = next[dialect.emptyContent];
      return form === null ? null : { ...dialect, emptyContent: form };
    },
  },
  {
    says: /extra (?:inputs|fields)|unexpected|unknown|unrecogni[sz]ed|additional propert|not permitted|not allowed|reasoning|thinking|thought/i,
    learn: (dialect, sent, { text }) =>
      sent.hasExtras &&
      dialect.extras === 'returned' &&
      !/missing|must be (?:passed|provided|returned|included)|required|\binclude\b/i.test(text)
        ? { ...dialect, extras: 'dropped' }
        : null,
  },
];

/**
 * What a refusal teaches of its server; null where nothing that was sent can be put another way. Pure. What is learnt is never
 * unlearnt by another refusal, so a server that refuses everything is left after a few requests.
 */
export function lessonOf(dialect: Dialect, sent: SentForm, refusal: Refusal): Dialect | null {
  const named = namedParameter(dialect, sent, refusal);
  if (named !== null) return named;
  const keyword = namedKeyword(sent, refusal);
  if (keyword !== null)
    return { ...dialect, withoutKeywords: [...dialect.withoutKeywords, keyword] };
  for (const { says, learn } of LESSONS) {
    const learnt = says.test(refusal.text) ? learn(dialect, sent, refusal) : null;
    if (learnt !== null) return learnt;
  }
  return null;
}

/** A parameter that the refusal names. Of two that do not go together the less important one goes. */
function namedParameter(
  dialect: Dialect,
  sent: SentForm,
  { text, param }: Refusal,
): Dialect | null {
  const named = sent.parameters.filter(
    (name) => !SPARED.has(name) && (param === name || mentions(text, name)),
  );
  if (named.length === 0) return null;
  const thoughts = named.find((name) => name === dialect.thoughtsOff);
  if (thoughts !== undefined)
    return {
      ...dialect,
      thoughtsOff: THOUGHTS_OFF[THOUGHTS_OFF.indexOf(dialect.thoughtsOff) + 1] ?? 'never',
    };
  return without(dialect, named.find((name) => name === 'top_p') ?? named[0] ?? '');
}

/** JSON Schema is refused by naming the keyword, such as `propertyNames` or `additionalProperties`. */
function namedKeyword({ keywords }: SentForm, { text }: Refusal): string | null {
  // Words of every refusal, and what a schema cannot do without.
  const spared = new Set(['type', 'properties', 'required', 'description', 'items', 'enum']);
  return keywords.find((keyword) => !spared.has(keyword) && mentions(text, keyword)) ?? null;
}

function mentions(text: string, name: string): boolean {
  return new RegExp(`(?<![\\w$])${name.replace('$', '\\$')}(?!\\w)`).test(text);
}

function without(dialect: Dialect, name: string): Dialect {
  return { ...dialect, withoutParameters: [...dialect.withoutParameters, name] };
}

/** Words about the longest answer, also where they compare it with what the prompt leaves. */
function isTooLarge(text: string): boolean {
  return /too (?:large|high|big|long)|exceed|greater than|less than or equal|at most|maximum (?:value|allowed)|out of range|must be (?:<=|between|less)/i.test(
    text,
  );
}

/**
 * The longest answer that the refusal leaves: what it names as the most, what the prompt leaves of the context, or a half. null where the
 * prompt alone is too long.
 */
function shorterAnswer(
  dialect: Dialect,
  { maxTokens }: SentForm,
  { text, numbers }: Refusal,
): Dialect | null {
  const limit = /context/i.test(text)
    ? roomInContext(text, maxTokens, numbers.limit)
    : (mostTold(text, maxTokens) ?? Math.floor(maxTokens / 2));
  return limit === null || limit < LEAST_ANSWER || limit >= maxTokens
    ? null
    : { ...dialect, answerLimit: limit };
}

/** Tokens that a template adds and nobody counts. */
const MARGIN = 16;

function roomInContext(text: string, maxTokens: number, limit: number | null): number | null {
  const counts = [...text.matchAll(/\d[\d,_]*/g)].map(([digits]) => countOf(digits));
  const context = limit ?? countOf(/context[^\d]{0,40}(\d[\d,_]*)/i.exec(text)?.[1] ?? '0');
  if (context <= maxTokens) return Math.floor(context / 2);
  const prompt = counts.find(
    (count) => count !== maxTokens && count < context && context - count < maxTokens,
  );
  return prompt === undefined ? null : context - prompt - MARGIN;
}

function mostTold(text: string, maxTokens: number): number | null {
  const told =
    /(?:at most|maximum(?: value| allowed)?(?: of| is)?|less than or equal to|<=|>|up to|supports?)[^\d]{0,24}(\d[\d,_]*)/i.exec(
      text,
    )?.[1];
  const most = countOf(told ?? '0');
  return most > 0 && most < maxTokens ? most : null;
}

function countOf(digits: string): number {
  return Number(digits.replace(/[,_]/g, ''));
}
