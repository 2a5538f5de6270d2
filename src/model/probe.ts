import { complete, type CompletionRequest } from './llm-client.ts';
import type { LlmError } from './llm-error.ts';
import { readingTool, text, type Tool } from '../planner/tools/tool.ts';

/** How a model calls tools: as the API has it, as text that we read, or not at all. */
export type ToolAbility = 'native' | 'text' | 'none';

export type ProbeResult =
  { ok: true; tools: ToolAbility; isOllama: boolean } | { ok: false; error: LlmError };

/** Enough for a call and for a model that thinks a little first. */
const PROBE_TOKENS = 512;

const probeTool: Tool = {
  ...readingTool({
    name: 'report_ready',
    description: 'Report that you are ready.',
    parameters: { word: text('The word "ready".') },
  }),
  module: 'planner',
  words: [],
};

/**
 * Asks the model to call one tool, once: about 150 tokens. Says how it did; an error where that shows nothing of the model (an
 * outage, a key that is refused, thoughts that used up the answer).
 */
export async function probeModel(
  server: Pick<
    CompletionRequest,
    'baseUrl' | 'apiKey' | 'model' | 'timeoutMs' | 'signal' | 'fetch'
  >,
): Promise<ProbeResult> {
  const content = 'Call the tool report_ready with the word "ready". Say nothing else.';
  const messages = [{ role: 'user' as const, content }];
  const result = await complete({
    ...server,
    maxTokens: PROBE_TOKENS,
    messages,
    tools: [probeTool],
  });
  const { isOllama } = result;
  if (!result.ok) {
    const cannot = result.error.kind === 'tool-less' || result.error.kind === 'bad-answer';
    return cannot ? { ok: true, tools: 'none', isOllama } : { ok: false, error: result.error };
  }
  // By another name it is a call all the same: it shows that the model and its server have a way to make one.
  const called = result.answer.toolCalls.length > 0;
  return { ok: true, tools: !called ? 'none' : result.textCalls > 0 ? 'text' : 'native', isOllama };
}

/** A server that does not know the question answers at once. */
const SHOW_TIMEOUT_MS = 5_000;

/**
 * Whether a local Ollama passes this model on to another host (`remote_host` in /api/show): what may go to local models only must
 * not go there. false where the server says nothing of it, which other servers do.
 */
export async function isPassedOn({
  baseUrl,
  model,
  fetch = (url, init) => globalThis.fetch(url, init),
}: Pick<CompletionRequest, 'baseUrl' | 'model' | 'fetch'>): Promise<boolean> {
  try {
    const response = await fetch(`${baseUrl.replace(/\/v1$/, '')}/api/show`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model }),
      redirect: 'manual',
      signal: AbortSignal.timeout(SHOW_TIMEOUT_MS),
    });
    const body: unknown = response.ok ? await response.json() : null;
    const host =
      typeof body === 'object' && body !== null
        ? (body as { remote_host?: unknown }).remote_host
        : '';
    return typeof host === 'string' && host !== '';
  } catch {
    return false;
  }
}
