import type { ChatMessage, ToolCall } from '../planner/chat.ts';
import { parseObject } from '../planner/arguments.ts';
import type { Dialect } from './dialect.ts';

/** A message as the chat completions API has it. */
export type WireMessage = Record<string, unknown>;

type AssistantMessage = Extract<ChatMessage, { role: 'assistant' }>;

/**
 * The messages of a plan in the form that this server takes. What the model itself wrote beside words and calls (signatures of its
 * thoughts, for one) goes back to `server` alone, which wrote it.
 */
export function toHistory(
  messages: readonly ChatMessage[],
  dialect: Dialect,
  server: string,
): WireMessage[] {
  const wire = messages.flatMap((message) => toMessages(message, dialect, server));
  const turns = dialect.callsAMessage === 'one' ? inTurns(wire) : wire;
  return dialect.rules === 'user' ? withRulesInWords(turns) : turns;
}

function toMessages(message: ChatMessage, dialect: Dialect, server: string): WireMessage[] {
  const content = message.content.toWellFormed();
  switch (message.role) {
    case 'assistant':
      return assistantMessages(message, content, { dialect, server });
    case 'tool':
      return dialect.results === 'user'
        ? [{ role: 'user', content: `Result of your call: ${content}` }]
        : [{ role: 'tool', tool_call_id: callId(message.toolCallId, dialect), content }];
    default:
      return [{ role: message.role, content }];
  }
}

type Target = { dialect: Dialect; server: string };

function assistantMessages(message: AssistantMessage, content: string, to: Target): WireMessage[] {
  const { dialect, server } = to;
  const isOwn = message.extras?.server === server && dialect.extras === 'returned';
  const extras = isOwn ? message.extras?.fields : undefined;
  // Never null: Ollama refuses an assistant message without content and calls.
  if (message.toolCalls.length === 0) return [{ role: 'assistant', content }];
  if (dialect.results === 'user') return [{ role: 'assistant', content: inWords(message) }];
  const calls = message.toolCalls.map((call) => toCall(call, { dialect, isOwn }));
  const head = { role: 'assistant', ...emptyOr(content, dialect), ...extras };
  if (dialect.callsAMessage === 'many') return [{ ...head, tool_calls: calls }];
  return calls.map((call, index) => ({
    ...(index === 0 ? head : { role: 'assistant', ...emptyOr('', dialect) }),
    tool_calls: [call],
  }));
}

/** Each result stands behind the message with its call. */
function inTurns(wire: readonly WireMessage[]): WireMessage[] {
  const results = new Map(
    wire.filter(isResult).map((message) => [message['tool_call_id'], message]),
  );
  return wire.flatMap((message) => {
    if (isResult(message)) return [];
    const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
    const found = calls.map(({ id }: { id: unknown }) => results.get(id));
    return [message, ...found.filter((result) => result !== undefined)];
  });
}

function isResult({ role }: WireMessage): boolean {
  return role === 'tool';
}

function emptyOr(content: string, { emptyContent }: Dialect): WireMessage {
  if (content !== '') return { content };
  switch (emptyContent) {
    case 'null':
      return { content: null };
    case 'absent':
      return {};
    case 'dot':
      return { content: '.' };
    default:
      return { content: '' };
  }
}

function toCall(
  { id, name, arguments: text, extras }: ToolCall,
  { dialect, isOwn }: { dialect: Dialect; isOwn: boolean },
): WireMessage {
  return {
    ...(isOwn ? extras : {}),
    id: callId(id, dialect),
    type: 'function',
    function: { name, arguments: objectText(text) },
  };
}

function inWords({ content, toolCalls }: AssistantMessage): string {
  const calls = toolCalls.map(
    ({ name, arguments: text }) => `I call ${name} with ${objectText(text)}.`,
  );
  return [content, ...calls]
    .filter((words) => words !== '')
    .join('\n')
    .toWellFormed();
}

/** The system message at the head of the user's first one. */
function withRulesInWords(wire: readonly WireMessage[]): WireMessage[] {
  const [rules, first, ...rest] = wire;
  if (rules?.['role'] !== 'system' || first === undefined) return [...wire];
  return [
    { ...first, content: `${String(rules['content'])}\n\n${String(first['content'])}` },
    ...rest,
  ];
}

/** The text of an object, never empty: some servers parse the arguments of the history. */
function objectText(text: string): string {
  return text.trim() !== '' && parseObject(text) !== null ? text.toWellFormed() : '{}';
}

const NINE = /^[a-zA-Z0-9]{9}$/;

function callId(id: string, { callIds }: Dialect): string {
  return callIds === 'given' || NINE.test(id) ? id : shortCallId(id);
}

const DIGITS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Nine letters and digits that follow from a text: equal for equal texts, most likely different for different ones. */
export function shortCallId(text: string): string {
  // FNV-1a over 52 bits in two halves; a name within one history, not a secret.
  let [high, low] = [0x811c9dc5, 0x01000193];
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x01000193) >>> 0;
    low = Math.imul(low ^ (unit + index), 0x85ebca6b) >>> 0;
  }
  let id = '';
  for (let place = 0; place < 9; place += 1) {
    const from = place < 5 ? high : low;
    id += DIGITS.charAt(Math.floor(from / 62 ** (place % 5)) % 62);
  }
  return id;
}
