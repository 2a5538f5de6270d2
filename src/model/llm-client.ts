import OpenAI from 'openai';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { isRecord } from '../values/fields.ts';
import { adaptationAfter, type Adaptation, type Attempt, UNADAPTED } from './adaptation.ts';
import { readAnswer, readUsage } from './answer.ts';
import { parseObject } from '../planner/arguments.ts';
import type { ChatMessage, LlmAnswer, Usage } from '../planner/chat.ts';
import { classify, Exchange } from './exchange.ts';
import { llmError, type LlmError, type LlmErrorKind } from './llm-error.ts';
import { shrinkPrompt } from './shrink.ts';
import { countPrompt, type PromptCount } from '../planner/tokens.ts';
import { toLlmTools } from '../planner/tool-choice.ts';
import type { Tool } from '../planner/tools/tool.ts';
import { isTruncated } from './truncation.ts';

export type { LlmAnswer } from '../planner/chat.ts';
export type { LlmError, LlmErrorKind } from './llm-error.ts';

export type CompletionRequest = {
  /** of an OpenAI-compatible server; `/chat/completions` is added to it */
  baseUrl: string;
  /** null for a server that wants none */
  apiKey: string | null;
  model: string;
  /** for the whole call, a second request included */
  timeoutMs: number;
  /** longest answer, in tokens */
  maxTokens: number;
  messages: readonly ChatMessage[];
  tools: readonly Tool[];
  /** what earlier calls of this run found out about the model; default: nothing */
  adaptation?: Adaptation;
  signal?: AbortSignal;
  /** default: the runtime's */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
};

/** What a call says beside its answer, also where it failed: failed answers are paid for too. */
export type CompletionReport = {
  /** of all requests of the call together, as the provider counted */
  usage: Usage;
  /** our own count of the prompt that was sent last */
  promptTokens: number;
  /** how the next call of the same run has to be made */
  adaptation: Adaptation;
  /** why the call took a second request; null where it took one */
  retried: LlmErrorKind | null;
  /** calls that the model wrote as text and that were read as calls */
  textCalls: number;
  /** the server says that it is Ollama */
  isOllama: boolean;
};

export type CompletionResult = CompletionReport &
  ({ ok: true; answer: LlmAnswer } | { ok: false; error: LlmError });

// Sent always: what a server takes when they are absent differs from 0 to 1.
const TEMPERATURE = 0.2;
const TOP_P = 0.9;
/** A second request that would have less time than this is not made. */
const LEAST_RETRY_MS = 1_000;

/**
 * One call of the chat completions API. Never throws for what a server does. A second request is made only where it differs from
 * the first and promises another end: without thoughts where they used up the answer, with a shorter prompt where the server
 * refused one as too long. Outages are the caller's to repeat, who knows who else waits. Asks for one answer at once (no stream),
 * without tool_choice and response_format, which small servers ignore or refuse.
 */
export async function complete(request: CompletionRequest): Promise<CompletionResult> {
  const startedMs = Date.now();
  const given = request.adaptation ?? UNADAPTED;
  const first = await attempt(request, given);
  const next = adaptationAfter(first, given);
  const leftMs = request.timeoutMs - (Date.now() - startedMs);
  if (!next.again || leftMs < LEAST_RETRY_MS || !isDifferent(request, given, next.adaptation))
    return resultOf(first, { adaptation: next.adaptation });
  const second = await attempt({ ...request, timeoutMs: leftMs }, next.adaptation);
  const { adaptation } = adaptationAfter(second, next.adaptation);
  const retried = first.reading.ok ? null : first.reading.error.kind;
  // A server that refuses the second request for what is new in it has said nothing about the first one.
  const shown = !second.reading.ok && second.reading.error.kind === 'bad-request' ? first : second;
  return resultOf(
    { ...shown, usage: addUsage(first.usage, second.usage) },
    { adaptation, retried },
  );
}

async function attempt(request: CompletionRequest, adaptation: Adaptation): Promise<Attempt> {
  const { messages, tools, counted } = adaptedPrompt(request, adaptation);
  const exchange = new Exchange(request);
  try {
    const body: unknown = await clientFor(request, exchange).chat.completions.create(
      {
        model: request.model,
        messages: messages.map(toWire),
        max_tokens: request.maxTokens,
        temperature: TEMPERATURE,
        top_p: TOP_P,
        stream: false,
        ...(tools.length === 0 ? {} : { tools: toLlmTools(tools) }),
        ...(adaptation.thoughts === 'off' ? { reasoning_effort: 'none' as const } : {}),
      },
      ...(request.signal === undefined ? [] : [{ signal: request.signal }]),
    );
    const usage = readUsage(body);
    if (isTruncated(counted, usage.promptTokens))
      return failed(llmError('context-truncated'), counted, usage);
    const reading = readAnswer(body, { mayBeEmpty: messages.at(-1)?.role === 'tool', tools });
    return {
      reading,
      usage,
      counted,
      isOllama: isRecord(body) && body['system_fingerprint'] === 'fp_ollama',
    };
  } catch (error) {
    return failed(classify(error, exchange, request.signal), counted);
  } finally {
    exchange.end();
  }
}

function adaptedPrompt({ messages, tools }: CompletionRequest, { promptLimit }: Adaptation) {
  const counted = countPrompt(messages, tools);
  return promptLimit === null || counted.total <= promptLimit
    ? { messages, tools, counted }
    : shrinkPrompt({ messages, tools }, promptLimit);
}

/** A prompt that cannot be made shorter would only be refused once more. */
function isDifferent(request: CompletionRequest, before: Adaptation, after: Adaptation): boolean {
  if (before.thoughts !== after.thoughts) return true;
  return adaptedPrompt(request, after).counted.total < adaptedPrompt(request, before).counted.total;
}

const SILENT: Usage = { promptTokens: null, completionTokens: null };

function failed(error: LlmError, counted: PromptCount, usage: Usage = SILENT): Attempt {
  return { reading: { ok: false, error, thought: false }, usage, counted, isOllama: false };
}

function resultOf(
  { reading, usage, counted, isOllama }: Attempt,
  { adaptation, retried = null }: { adaptation: Adaptation; retried?: LlmErrorKind | null },
): CompletionResult {
  const report = { usage, promptTokens: counted.total, adaptation, retried, isOllama };
  return reading.ok
    ? { ok: true, answer: { ...reading.answer, usage }, ...report, textCalls: reading.textCalls }
    : { ok: false, error: reading.error, ...report, textCalls: 0 };
}

function addUsage(one: Usage, other: Usage): Usage {
  return {
    promptTokens: sumOf(one.promptTokens, other.promptTokens),
    completionTokens: sumOf(one.completionTokens, other.completionTokens),
  };
}

function sumOf(one: number | null, other: number | null): number | null {
  return one === null ? other : one + (other ?? 0);
}

function clientFor({ baseUrl, apiKey, timeoutMs }: CompletionRequest, exchange: Exchange): OpenAI {
  return new OpenAI({
    baseURL: baseUrl,
    // The package insists on a key. Where there is none, no header is sent either.
    apiKey: apiKey ?? 'none',
    defaultHeaders: apiKey === null ? { Authorization: null } : {},
    // Otherwise these come from OPENAI_… variables that were meant for other programs.
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    logLevel: 'off',
    // Ours ends first; the package's own does not cover the body of an error.
    timeout: timeoutMs + 1_000,
    fetch: async (url, init) =>
      exchange.fetch(url instanceof Request ? url.url : String(url), init ?? {}),
  });
}

function toWire(message: ChatMessage): ChatCompletionMessageParam {
  const content = message.content.toWellFormed();
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.toolCallId, content };
  if (message.role !== 'assistant') return { role: message.role, content };
  // Never null: Ollama refuses an assistant message without content and calls.
  if (message.toolCalls.length === 0) return { role: 'assistant', content };
  const calls = message.toolCalls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: objectText(text) },
  }));
  return { role: 'assistant', content, tool_calls: calls };
}

/** The text of an object, never empty: some servers parse the arguments of the history. */
function objectText(text: string): string {
  return text.trim() !== '' && parseObject(text) !== null ? text.toWellFormed() : '{}';
}
