import { isRecord } from '../values/fields.ts';

/**
 * What a reply says that is an error. `status`: of HTTP, or the one that stands in the body of a reply that HTTP calls good.
 * `text` is for classifying only: it may hold words of the prompt and is never shown or logged.
 */
export type Refusal = {
  status: number;
  text: string;
  /** the request's parameter that the server names as the cause; null where it names none */
  param: string | null;
  /** tokens, as far as the words or the fields tell them; null where they do not */
  numbers: { asked: number | null; limit: number | null };
};

const MOST_TEXT = 8_000;

/**
 * The error of a reply; null for a reply that is none. Servers put it into `error` (text or an object), `detail`, `message`, a list
 * of such bodies, or into a choice; gateways answer all of them under status 200 too.
 */
export function readRefusal(status: number, body: unknown, raw: string): Refusal | null {
  const found = errorIn(body);
  const isGood = status >= 200 && status < 300;
  if (isGood && found === null) return null;
  const text = (found === null ? wordsOf(body, raw) : textOf(found)).slice(0, MOST_TEXT);
  return {
    status: isGood ? statusOf(found, text) : status,
    text,
    param: isRecord(found) && typeof found['param'] === 'string' ? found['param'] : null,
    numbers: numbersOf(found, text),
  };
}

/** The value that describes the error: an object, or a text. */
function errorIn(body: unknown): Record<string, unknown> | string | null {
  if (Array.isArray(body)) return errorIn(body[0]);
  if (!isRecord(body)) return null;
  const { error, detail, choices } = body;
  if (isRecord(error)) return error;
  if (typeof error === 'string') return error === '' ? ' ' : error;
  if (typeof detail === 'string') return detail;
  if (detail !== undefined && detail !== null && choices === undefined) return { detail };
  const [first] = Array.isArray(choices) ? (choices as unknown[]) : [];
  if (isRecord(first) && isRecord(first['error'])) return first['error'];
  return null;
}

/** Words of a reply that is an error by its status alone: `{ "message": … }`, or the body as it came. */
function wordsOf(body: unknown, raw: string): string {
  if (isRecord(body) && typeof body['message'] === 'string') return textOf(body);
  return body === null ? raw : JSON.stringify(body);
}

/** All words of an error, those that it encloses included: a gateway passes the error of the server behind it on. */
function textOf(error: Record<string, unknown> | string): string {
  return typeof error === 'string' ? error : JSON.stringify(error);
}

const STATUS_WORDS: readonly [status: number, words: RegExp][] = [
  [429, /rate[_ ]?limit|too many requests|resource[_ ]?exhausted|quota/i],
  [503, /overloaded|unavailable|timed? ?out|capacity/i],
  [401, /api[_ ]key|unauthenticated|authentication/i],
  [500, /internal|server[_ ]error|provider returned error/i],
];

/** The status that a body names where HTTP says 200; 0 where it names none. */
function statusOf(found: Record<string, unknown> | string | null, text: string): number {
  const { code, status, status_code: other } = isRecord(found) ? found : {};
  for (const value of [code, status, other]) {
    const number = typeof value === 'string' ? Number(value) : value;
    if (typeof number === 'number' && number >= 400 && number < 600) return number;
  }
  return STATUS_WORDS.find(([, words]) => words.test(text))?.[0] ?? 0;
}

const COUNT = /(\d{1,3}(?:[,_]\d{3})+|\d+)/.source;

/** Wordings that name what was asked for and what is allowed, in this order or, where `turned`, in the other. */
const WORDINGS: readonly { words: RegExp; turned: boolean }[] = [
  {
    words: new RegExp(
      `\\(?${COUNT}(?: tokens?)?\\)? (?:exceeds?|is (?:greater|larger|longer) than|>)[^\\d]*${COUNT}`,
      'i',
    ),
    turned: false,
  },
  {
    words: new RegExp(
      `maximum context length (?:is|of) ${COUNT}[^]*?(?:requested|resulted in|request has|contains|total of)[^\\d]*${COUNT}`,
      'i',
    ),
    turned: true,
  },
  { words: new RegExp(`limit:? ${COUNT}[^\\d]*requested:? ${COUNT}`, 'i'), turned: true },
  {
    words: new RegExp(
      `${COUNT}(?: \\w+){0,6} tokens[^\\d]*(?:maximum|limit|context|only|up to)[^\\d]*${COUNT}`,
      'i',
    ),
    turned: false,
  },
  {
    words: new RegExp(
      `(?:maximum|limit|context)[^\\d]*${COUNT}[^\\d]*(?:got|given|received|requested|has|was)[^\\d]*${COUNT}`,
      'i',
    ),
    turned: true,
  },
];
const SUM = new RegExp(`${COUNT} ?\\+ ?${COUNT} ?> ?${COUNT}`);
const LIMIT_ALONE = new RegExp(
  `(?:maximum context length|context (?:size|length|window)|at most|limit)[^\\d]{0,24}${COUNT}`,
  'i',
);

function numbersOf(found: unknown, text: string): Refusal['numbers'] {
  const fields = isRecord(found) ? found : {};
  const told = { asked: countOf(fields['n_prompt_tokens']), limit: countOf(fields['n_ctx']) };
  if (told.asked !== null && told.limit !== null) return told;
  const summed = SUM.exec(text);
  if (summed !== null)
    return { asked: parsed(summed[1]) + parsed(summed[2]), limit: parsed(summed[3]) };
  for (const { words, turned } of WORDINGS) {
    const match = words.exec(text);
    if (match === null) continue;
    const [one, other] = [parsed(match[1]), parsed(match[2])];
    const numbers = turned ? { asked: other, limit: one } : { asked: one, limit: other };
    if (numbers.asked > numbers.limit) return numbers;
  }
  const alone = LIMIT_ALONE.exec(text);
  return { asked: null, limit: alone === null ? null : parsed(alone[1]) };
}

function parsed(text: string | undefined): number {
  return Number((text ?? '').replace(/[,_]/g, ''));
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null;
}
