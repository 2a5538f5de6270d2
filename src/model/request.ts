import { isRecord } from '../values/fields.ts';
import type { ChatMessage } from '../planner/chat.ts';
import { toLlmTools } from '../planner/tool-choice.ts';
import type { Tool } from '../planner/tools/tool.ts';
import type { Adaptation } from './adaptation.ts';
import type { Dialect } from './dialect.ts';
import { toHistory, type WireMessage } from './history.ts';
import type { SentForm } from './lessons.ts';

export type RequestParts = {
  model: string;
  messages: readonly ChatMessage[];
  tools: readonly Tool[];
  maxTokens: number;
  /** null: ours, or for a model that thinks the server's own */
  temperature: number | null;
  adaptation: Adaptation;
  /** base URL and model */
  server: string;
};

// Sent always, but to models that think: what a server takes when they are absent differs from 0 to 1.
const TEMPERATURE = 0.2;
const TOP_P = 0.9;

/**
 * The body of a chat completions request in the form that this server takes, and what of it a refusal can be about. Never asks for
 * `tool_choice` and `response_format`, which small servers ignore or refuse.
 */
export function requestBody(parts: RequestParts): {
  body: Record<string, unknown>;
  form: SentForm;
} {
  const { adaptation, tools, messages } = parts;
  const { dialect, thoughts } = adaptation;
  const history = toHistory(messages, dialect, parts.server);
  const isQuiet = thoughts === 'off';
  const wireTools = toLlmTools(tools).map((tool) => ({
    ...tool,
    function: { ...tool.function, parameters: plainer(tool.function.parameters, dialect) },
  }));
  const parameters = withoutRefused(
    {
      ...(dialect.limitName === null ? {} : { [dialect.limitName]: parts.maxTokens }),
      ...sampling(parts),
      stream: dialect.stream,
      ...(dialect.stream ? { stream_options: { include_usage: true } } : {}),
      ...(isQuiet ? quietly(dialect) : {}),
    },
    dialect,
  );
  const body = {
    model: parts.model,
    messages: isQuiet && dialect.thoughtsOff === '/no_think' ? withNoThink(history) : history,
    ...parameters,
    ...(wireTools.length === 0 ? {} : { tools: wireTools }),
  };
  const asked = isQuiet && dialect.thoughtsOff === '/no_think' ? ['/no_think'] : [];
  return { body, form: formOf(history, [...Object.keys(parameters), ...asked], wireTools, parts) };
}

function sampling({ temperature, adaptation }: RequestParts): Record<string, number> {
  if (temperature === null && adaptation.dialect.thinks) return {};
  return { temperature: temperature ?? TEMPERATURE, top_p: TOP_P };
}

function withoutRefused(
  parameters: Record<string, unknown>,
  { withoutParameters }: Dialect,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters).filter(([name]) => !withoutParameters.includes(name)),
  );
}

function quietly({ thoughtsOff }: Dialect): Record<string, unknown> {
  if (thoughtsOff === 'reasoning_effort') return { reasoning_effort: 'none' };
  return thoughtsOff === 'chat_template_kwargs'
    ? { chat_template_kwargs: { enable_thinking: false } }
    : {};
}

/** Qwen's models read it in the last words of the user. */
function withNoThink(history: readonly WireMessage[]): WireMessage[] {
  const last = history.findLastIndex(({ role }) => role === 'user');
  return history.map((message, index) =>
    index === last ? { ...message, content: `${String(message['content'])}\n/no_think` } : message,
  );
}

/** A schema without the keywords that the server refused; what they ask for is checked by us all the same. */
function plainer(
  schema: Record<string, unknown>,
  { withoutKeywords }: Dialect,
): Record<string, unknown> {
  return withoutKeywords.length === 0
    ? schema
    : (stripped(schema, new Set(withoutKeywords)) as Record<string, unknown>);
}

function stripped(value: unknown, keywords: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((item) => stripped(item, keywords));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([name]) => !keywords.has(name));
  return Object.fromEntries(
    entries.map(([name, inner]) => [
      name,
      // Names of parameters are no keywords.
      name === 'properties' && isRecord(inner)
        ? Object.fromEntries(
            Object.entries(inner).map(([own, schema]) => [own, stripped(schema, keywords)]),
          )
        : stripped(inner, keywords),
    ]),
  );
}

function formOf(
  history: readonly WireMessage[],
  parameters: readonly string[],
  tools: readonly { function: { parameters: Record<string, unknown> } }[],
  { messages, maxTokens, server, adaptation }: RequestParts,
): SentForm {
  const callers = messages.filter((message) => message.role === 'assistant');
  return {
    parameters,
    keywords: [...new Set(tools.flatMap((tool) => keywordsOf(tool.function.parameters)))],
    maxTokens,
    hasBareCalls: callers.some(({ content, toolCalls }) => content === '' && toolCalls.length > 0),
    hasManyCalls: callers.some(({ toolCalls }) => toolCalls.length > 1),
    hasResults: history.some(({ role }) => role === 'tool'),
    hasExtras:
      adaptation.dialect.extras === 'returned' &&
      callers.some(({ extras }) => extras?.server === server),
  };
}

function keywordsOf(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(keywordsOf);
  if (!isRecord(schema)) return [];
  return Object.entries(schema).flatMap(([name, inner]) =>
    name === 'properties' && isRecord(inner)
      ? [name, ...Object.values(inner).flatMap(keywordsOf)]
      : [name, ...keywordsOf(inner)],
  );
}
