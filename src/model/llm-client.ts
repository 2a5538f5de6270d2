import OpenAI from 'openai';
import { isRecord } from '../values/fields.ts';
import {
  adaptationAfter,
  type Adaptation,
  type Attempt,
  type Next,
  UNADAPTED,
} from './adaptation.ts';
import { readAnswer, readUsage } from './answer.ts';
import type { ChatMessage, LlmAnswer, Usage } from '../planner/chat.ts';
import { answerRoom, promptRoom } from './context.ts';
import { classify, Exchange } from './exchange.ts';
import { llmError, type LlmError, type LlmErrorKind } from './llm-error.ts';
import { quotableOf } from '../planner/quotable.ts';
import { requestBody } from './request.ts';
import { shrinkPrompt, type ShrunkPrompt } from './shrink.ts';
import { countPrompt } from '../planner/tokens.ts';
import type { Tool } from '../planner/tools/tool.ts';
import { type CountKnowledge, isTruncated } from './truncation.ts';

export type { LlmAnswer } from '../planner/chat.ts';
export type { LlmError, LlmErrorKind } from './llm-error.ts';

export type CompletionRequest = {
  /** of an OpenAI-compatible server; `/chat/completions` is added to it */
  baseUrl: string;
  /** null for a server that wants none */
  apiKey: string | null;
  model: string;
  /** for the whole call, further requests included */
  timeoutMs: number;
  /** longest answer, in tokens */
  maxTokens: number;
  messages: readonly ChatMessage[];
  tools: readonly Tool[];
  /** default: ours, or the server's own for a model that thinks */
  temperature?: number | null;
  /** what earlier calls found out about the model; default: nothing */
  adaptation?: Adaptation;
  /** tokens that prompt and answer have together, where somebody said so; default: what the dialect knows */
  context?: number | null;
  /** what earlier counts of this model say */
  counts?: CountKnowledge;
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
  /** the server's count of the prompt that was sent last; null where it is silent */
  reportedTokens: number | null;
  /** how the next call of the same run has to be made */
  adaptation: Adaptation;
  /** why the call took a second request; null where it took one */
  retried: LlmErrorKind | null;
  /** requests that the call took */
  requests: number;
  /** calls that the model wrote as text and that were read as calls */
  textCalls: number;
  /** the model said something that no plan can be read from and that it may say better, once it is told */
  unread: boolean;
  /** the server says that it is Ollama */
  isOllama: boolean;
  /** where a gateway says that the answer comes from, '' where it does not say; null for a server that is none */
  gatewayBase: string | null;
};

export type CompletionResult = CompletionReport &
  ({ ok: true; answer: LlmAnswer } | { ok: false; error: LlmError });

/** A further request that would have less time than this is not made. */
const LEAST_RETRY_MS = 1_000;
/** A server that refuses one form after the other is left. Each lesson changes the request, so that no list of them is endless. */
const MOST_REQUESTS = 8;

/**
 * One call of the chat completions API. Never throws for what a server does. A further request is made only where it differs from the
 * one before and promises another end: in another form where the server refused the first, without thoughts where they used up the
 * answer, with a shorter prompt where it was too long, and once more where the server could not read what its model said. Outages are
 * the caller's to repeat, who knows who else waits.
 */
export async function complete(request: CompletionRequest): Promise<CompletionResult> {
  const endMs = Date.now() + request.timeoutMs;
  let adaptation = request.adaptation ?? UNADAPTED;
  let attempt = await ask(request, adaptation);
  let shown = attempt;
  let usage = attempt.usage;
  let retried: LlmErrorKind | null = null;
  let requests = 1;
  let blindCuts = 0;
  let thought = attempt.reading.thought;
  for (; requests < MOST_REQUESTS; requests += 1) {
    const next = nextAttempt(attempt, adaptation, requests);
    const leftMs = endMs - Date.now();
    blindCuts += Number(isBlindCut(attempt));
    const isWorthIt =
      next.again &&
      blindCuts < 2 &&
      leftMs >= LEAST_RETRY_MS &&
      isDifferent(request, adaptation, next);
    adaptation = next.adaptation;
    if (!isWorthIt) break;
    retried ??= attempt.reading.ok ? null : attempt.reading.error.kind;
    attempt = await ask({ ...request, timeoutMs: leftMs }, adaptation);
    usage = addUsage(usage, attempt.usage);
    thought ||= attempt.reading.thought;
    // A server that refuses a request for what is new in it has said nothing about the one before.
    if (attempt.reading.ok || attempt.reading.error.kind !== 'bad-request') shown = attempt;
  }
  return resultOf(shown, {
    usage,
    adaptation: thought ? withThoughts(adaptation) : adaptation,
    retried,
    requests,
  });
}

/** A prompt that is too long by nobody knows how much: one guess is made, not one after the other. */
function isBlindCut({ reading, refusal }: Attempt): boolean {
  return (
    !reading.ok &&
    reading.error.kind === 'context-overflow' &&
    (refusal === null || refusal.numbers.asked === null)
  );
}

/** A model that was seen to think has a temperature of its own. */
function withThoughts(adaptation: Adaptation): Adaptation {
  const { dialect } = adaptation;
  return dialect.thinks ? adaptation : { ...adaptation, dialect: { ...dialect, thinks: true } };
}

/** What the model said is no matter of the form: the same request may end well. Once, and before all others. */
function nextAttempt(
  attempt: Attempt,
  given: Adaptation,
  requests: number,
): Next & { same?: true } {
  const isGarbled = !attempt.reading.ok && attempt.reading.error.kind === 'garbled';
  if (isGarbled) return { adaptation: given, again: requests === 1, same: true };
  return adaptationAfter(attempt, given);
}

async function ask(request: CompletionRequest, adaptation: Adaptation): Promise<Attempt> {
  const { messages, tools, counted, maxTokens } = adaptedPrompt(request, adaptation);
  const server = `${request.baseUrl} ${request.model}`;
  const { model, temperature = null, signal } = request;
  const { body, form } = requestBody({
    model,
    messages,
    tools,
    maxTokens,
    temperature,
    adaptation,
    server,
  });
  const exchange = new Exchange(request);
  const failed = (error: LlmError, usage: Usage = SILENT): Attempt => ({
    reading: { ok: false, error, thought: false, unread: false },
    usage,
    counted,
    form,
    refusal: exchange.refusal,
    isOllama: false,
    gatewayBase: exchange.gatewayBase,
  });
  try {
    const reply: unknown = await clientFor(request, exchange).post('/chat/completions', {
      body,
      ...(signal === undefined ? {} : { signal }),
    });
    const usage = readUsage(reply);
    if (isTruncated(counted, usage.promptTokens, request.counts))
      return failed(llmError('context-truncated'), usage);
    const mayBeEmpty = messages.at(-1)?.role === 'tool';
    const expected = {
      mayBeEmpty,
      tools,
      maxTokens,
      quotable: quotableOf(request.messages),
      server,
    };
    return {
      reading: readAnswer(reply, expected),
      usage,
      counted,
      form,
      refusal: null,
      isOllama: isRecord(reply) && reply['system_fingerprint'] === 'fp_ollama',
      gatewayBase: exchange.gatewayBase,
    };
  } catch (error) {
    return failed(classify(error, exchange, { signal, hasKey: request.apiKey !== null }));
  } finally {
    exchange.end();
  }
}

/** The prompt and the longest answer that fit what is known of the context: the answer gives way before the prompt is cut. */
function adaptedPrompt(
  request: CompletionRequest,
  { promptLimit, dialect }: Adaptation,
): ShrunkPrompt & { maxTokens: number } {
  const { messages, tools } = request;
  const context = request.context ?? dialect.context;
  const scale = request.counts?.scale ?? 1;
  const maxTokens = Math.min(request.maxTokens, dialect.answerLimit ?? request.maxTokens);
  const room = promptRoom({ context, maxTokens, scale });
  const limit = Math.min(promptLimit ?? Infinity, room ?? Infinity);
  const whole = { messages, tools, counted: countPrompt(messages, tools) };
  const prompt = whole.counted.total <= limit ? whole : shrinkPrompt(whole, limit);
  const promptTokens = prompt.counted.total * scale;
  return { ...prompt, maxTokens: Math.floor(answerRoom({ context, promptTokens, maxTokens })) };
}

/** A prompt that cannot be made shorter would only be refused once more. */
function isDifferent(
  request: CompletionRequest,
  before: Adaptation,
  next: Next & { same?: true },
): boolean {
  const after = next.adaptation;
  if (next.same === true || before.thoughts !== after.thoughts) return true;
  const { context: _old, ...form } = before.dialect;
  const { context: _new, ...newForm } = after.dialect;
  if (JSON.stringify(form) !== JSON.stringify(newForm)) return true;
  const [sent, wanted] = [adaptedPrompt(request, before), adaptedPrompt(request, after)];
  return wanted.counted.total < sent.counted.total || wanted.maxTokens < sent.maxTokens;
}

const SILENT: Usage = { promptTokens: null, completionTokens: null };

function resultOf(
  { reading, counted, isOllama, gatewayBase, usage: own }: Attempt,
  report: Pick<CompletionReport, 'usage' | 'adaptation' | 'retried' | 'requests'>,
): CompletionResult {
  const told = {
    ...report,
    promptTokens: counted.total,
    reportedTokens: own.promptTokens,
    isOllama,
    gatewayBase,
  };
  const { usage } = report;
  return reading.ok
    ? {
        ok: true,
        answer: { ...reading.answer, usage },
        ...told,
        textCalls: reading.textCalls,
        unread: false,
      }
    : { ok: false, error: reading.error, ...told, textCalls: 0, unread: reading.unread };
}

function addUsage(one: Usage, other: Usage): Usage {
  const cached = sumOf(one.cachedTokens ?? null, other.cachedTokens ?? null);
  return {
    promptTokens: sumOf(one.promptTokens, other.promptTokens),
    completionTokens: sumOf(one.completionTokens, other.completionTokens),
    ...(cached === null ? {} : { cachedTokens: cached }),
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
