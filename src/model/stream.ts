import { isRecord } from '../values/fields.ts';

/** Pieces of one text, or the last value of what is no text. */
type Pieces = Record<string, unknown>;

/**
 * The chat completion that the chunks of a stream make up, in the form of an answer that came at once. Servers differ: calls may share
 * an index or have none, arguments come whole or in pieces, usage and timings stand in the last chunk.
 */
export class StreamedCompletion {
  readonly #message: Pieces = {};
  readonly #calls: Pieces[] = [];
  readonly #rest: Pieces = {};
  #finishReason: unknown = null;
  #choiceError: unknown;
  #sawChoice = false;

  take(chunk: unknown): void {
    if (!isRecord(chunk)) return;
    for (const [name, value] of Object.entries(chunk))
      if (name !== 'choices' && name !== 'object' && value !== null) this.#rest[name] = value;
    const choice: unknown = Array.isArray(chunk['choices']) ? chunk['choices'][0] : undefined;
    if (!isRecord(choice)) return;
    this.#sawChoice = true;
    this.#finishReason = choice['finish_reason'] ?? this.#finishReason;
    this.#choiceError = choice['error'] ?? this.#choiceError;
    // Some servers send the whole message in the last chunk.
    const delta = isRecord(choice['delta']) ? choice['delta'] : choice['message'];
    if (isRecord(delta)) this.#takeDelta(delta);
  }

  /** Whether the server said that the answer is whole. */
  get isFinished(): boolean {
    return this.#finishReason !== null;
  }

  body(): Record<string, unknown> {
    const calls = this.#calls.length === 0 ? {} : { tool_calls: this.#calls };
    const message = { role: 'assistant', content: null, ...this.#message, ...calls };
    const error = this.#choiceError === undefined ? {} : { error: this.#choiceError };
    const choice = { index: 0, message, finish_reason: this.#finishReason, ...error };
    return { ...this.#rest, object: 'chat.completion', choices: this.#sawChoice ? [choice] : [] };
  }

  #takeDelta(delta: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(delta)) {
      if (name === 'tool_calls') this.#takeCalls(value);
      else add(this.#message, name, value);
    }
  }

  #takeCalls(value: unknown): void {
    for (const piece of Array.isArray(value) ? value.filter(isRecord) : []) {
      const call = this.#callOf(piece);
      const { function: given, ...others } = piece;
      for (const [name, part] of Object.entries(others)) if (name !== 'index') call[name] ??= part;
      const { name, arguments: text } = isRecord(given) ? given : {};
      const own = call['function'] as { name: string; arguments: unknown };
      if (typeof name === 'string' && own.name === '') own.name = name;
      if (isRecord(text)) own.arguments = text;
      else if (typeof text === 'string')
        own.arguments = `${typeof own.arguments === 'string' ? own.arguments : ''}${text}`;
    }
  }

  /** The call that a piece belongs to: the one of its id, else of its index where that one has no other id, else the last one. */
  #callOf(piece: Record<string, unknown>): Pieces {
    const { id, index } = piece;
    const given = isRecord(piece['function']) ? piece['function'] : {};
    const last = this.#calls.at(-1);
    const known =
      typeof id === 'string' && id !== ''
        ? this.#calls.find((call) => call['id'] === id)
        : typeof index === 'number'
          ? this.#calls.findLast((call) => call['index'] === index)
          : last;
    const isNext =
      typeof given['name'] === 'string' &&
      given['name'] !== '' &&
      (id === undefined || id === '') &&
      isWhole(known);
    if (known !== undefined && !isNext) return known;
    const call: Pieces = { index, function: { name: '', arguments: '' } };
    this.#calls.push(call);
    return call;
  }
}

/** Whether a call has a name and the text of an object already: another name belongs to another call. */
function isWhole(call: Pieces | undefined): boolean {
  const { name, arguments: text } = (call?.['function'] ?? {}) as {
    name?: string;
    arguments?: unknown;
  };
  if (name === undefined || name === '') return false;
  try {
    return isRecord(text) || isRecord(JSON.parse(String(text)));
  } catch {
    return false;
  }
}

/** Text grows, lists grow, of anything else the newest counts. */
function add(pieces: Pieces, name: string, value: unknown): void {
  if (value === null || value === undefined || name === '__proto__') return;
  const known = pieces[name];
  if (name === 'role') pieces[name] ??= value;
  else if (typeof value === 'string')
    pieces[name] = `${typeof known === 'string' ? known : ''}${value}`;
  else if (Array.isArray(value)) pieces[name] = joined(Array.isArray(known) ? known : [], value);
  else pieces[name] = value;
}

/** Pieces of the items of a list, which `index` tells apart (`reasoning_details`); items without one are whole. */
function joined(known: readonly unknown[], added: readonly unknown[]): unknown[] {
  const items = [...known];
  for (const piece of added) {
    const place = items.findIndex(
      (item) =>
        isRecord(item) &&
        isRecord(piece) &&
        typeof piece['index'] === 'number' &&
        item['index'] === piece['index'] &&
        item['type'] === piece['type'],
    );
    const item = items[place];
    if (place === -1 || !isRecord(item) || !isRecord(piece)) {
      items.push(piece);
      continue;
    }
    const whole = { ...item };
    for (const [name, value] of Object.entries(piece)) {
      if (name === 'index' || name === 'type' || name === 'id' || name === 'format')
        whole[name] ??= value;
      else add(whole, name, value);
    }
    items[place] = whole;
  }
  return items;
}
