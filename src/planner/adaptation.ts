/**
 * What one server and one model want differently from the usual form of a chat completions request, and what they were seen to do.
 * Plain JSON: the Dispatcher keeps one for each URL and model. A dialect changes by lessons alone (`lessons.ts`), and `request.ts` and
 * `history.ts` apply it; nothing else asks who the vendor is.
 */
export type Dialect = {
  /** the name of the parameter that bounds the answer; null for a server that takes neither name */
  limitName: 'max_tokens' | 'max_completion_tokens' | null;
  /** request parameters that the server refused; they are not sent again */
  withoutParameters: readonly string[];
  /** keywords of JSON Schema that the server refused in the parameters of tools */
  withoutKeywords: readonly string[];
  /** the answer comes as a stream of events */
  stream: boolean;
  /** 'nine': every id of a call in the history is made of exactly nine letters and digits */
  callIds: 'given' | 'nine';
  /** 'one': an assistant message of the history holds one call */
  callsAMessage: 'many' | 'one';
  /** the content of an assistant message that only calls */
  emptyContent: 'text' | 'null' | 'absent' | 'dot';
  /** 'user': the server takes no system message, so the rules head the user's message */
  rules: 'system' | 'user';
  /** 'user': the server takes no message of the role `tool`; results of calls come back as words of the user */
  results: 'tool' | 'user';
  /** whether unknown fields of the model's own messages and calls go back to it */
  extras: 'returned' | 'dropped';
  /** how the model is asked not to think; the first way that was not refused */
  thoughtsOff: ThoughtsOff;
  /** the model was seen to think: it has a temperature of its own */
  thinks: boolean;
  /** the longest answer that the server takes, in tokens; null where it refused none */
  answerLimit: number | null;
  /** tokens that prompt and answer have together; null as long as nobody told or taught it */
  context: number | null;
};

/** Ways to ask a model not to think, in the order in which they are tried. */
export const THOUGHTS_OFF = [
  'reasoning_effort',
  'chat_template_kwargs',
  '/no_think',
  'never',
] as const;
export type ThoughtsOff = (typeof THOUGHTS_OFF)[number];

/** The usual form: nothing was refused so far. */
export const USUAL: Dialect = {
  limitName: 'max_tokens',
  withoutParameters: [],
  withoutKeywords: [],
  stream: false,
  callIds: 'given',
  callsAMessage: 'many',
  emptyContent: 'text',
  rules: 'system',
  results: 'tool',
  extras: 'returned',
  thoughtsOff: 'reasoning_effort',
  thinks: false,
  answerLimit: null,
  context: null,
};

/**
 * What the calls of a run have found out about its model, so that no call pays twice for the same lesson; plain JSON, part of the
 * plan. `thoughts`: 'off' asks the model not to think; 'stuck' means that asking did not help. `promptLimit`: longest prompt in
 * our own tokens; null as long as none was too long. `dialect`: what holds for every run with this server and model.
 */
export type Adaptation = {
  thoughts: 'free' | 'off' | 'stuck';
  promptLimit: number | null;
  dialect: Dialect;
};

/** Nothing is known. */
export const UNADAPTED: Adaptation = { thoughts: 'free', promptLimit: null, dialect: USUAL };
