import { isOneOf, isRecord } from '../values/fields.ts';
import { readBoundedText } from './bounded-body.ts';
import type { Findings } from '../planner/research.ts';

/** Which of the endpoint's providers does the work. */
export const RESEARCH_PROVIDER = 'gemini-deep-research';

export type ResearchErrorKind =
  | 'unreachable'
  | 'timeout'
  | 'refused'
  | 'rate-limited'
  | 'not-found'
  | 'server-error'
  | 'bad-answer';

/** `passing`: asking again may help. `message` says what to check; it holds nothing of the query and no key. */
export type ResearchError = {
  kind: ResearchErrorKind;
  code: string;
  passing: boolean;
  message: string;
};

export type ResearchEndpoint = {
  /** MANA_RESEARCH_URL, with or without a slash at its end */
  baseUrl: string;
  serviceKey: string | null;
  userId: string;
  /** default: the runtime's */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
};

const jobStatuses = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const;

export type SubmitResult =
  { ok: true; taskId: string; providerId: string } | { ok: false; error: ResearchError };

export type PollResult =
  | { ok: true; state: 'pending' | 'failed' }
  | { ok: true; state: 'completed'; findings: Findings }
  | { ok: false; error: ResearchError };

const PATH = '/api/v1/internal/research/async';
const TIMEOUT_MS = 20_000;
/** In bytes. */
const MAX_BODY = 2_000_000;
const MAX_TASK_ID = 256;
const MAX_ANSWER = 200_000;

const ADVICE: Record<ResearchErrorKind, string> = {
  unreachable: 'The research endpoint cannot be reached. Check MANA_RESEARCH_URL.',
  timeout: 'The research endpoint did not answer in time.',
  refused:
    'The research endpoint refuses the request. Check MANA_SERVICE_KEY and the person’s credits.',
  'rate-limited': 'The research endpoint takes no more requests for now.',
  'not-found':
    'The research endpoint does not know the job, or MANA_RESEARCH_URL has the wrong path.',
  'server-error': 'The research endpoint reports an error of its own.',
  'bad-answer': 'The answer is not one of a research endpoint. Check MANA_RESEARCH_URL.',
};

const PASSING: ReadonlySet<ResearchErrorKind> = new Set([
  'unreachable',
  'timeout',
  'rate-limited',
  'server-error',
  'bad-answer',
]);

/** Begins a job, which costs the person money; never repeated here. Never throws for what a server does. */
export async function submitResearch(
  endpoint: ResearchEndpoint,
  query: string,
): Promise<SubmitResult> {
  const reply = await ask(endpoint, PATH, {
    method: 'POST',
    body: JSON.stringify({ query, provider: RESEARCH_PROVIDER }),
  });
  if (!reply.ok) return reply;
  const { taskId, providerId } = reply.body;
  if (typeof taskId !== 'string' || taskId === '' || taskId.length > MAX_TASK_ID)
    return failed('bad-answer');
  return {
    ok: true,
    taskId,
    providerId: typeof providerId === 'string' ? providerId : RESEARCH_PROVIDER,
  };
}

/** Asks how a job stands. Never throws for what a server does. */
export async function pollResearch(
  endpoint: ResearchEndpoint,
  taskId: string,
): Promise<PollResult> {
  const reply = await ask(endpoint, `${PATH}/${encodeURIComponent(taskId)}`, { method: 'GET' });
  if (!reply.ok) return reply;
  const { status, result } = reply.body;
  if (!isOneOf(jobStatuses, status)) return failed('bad-answer');
  if (status === 'failed' || status === 'cancelled') return { ok: true, state: 'failed' };
  if (status !== 'completed') return { ok: true, state: 'pending' };
  const findings = findingsOf(result);
  return findings === null
    ? { ok: true, state: 'failed' }
    : { ok: true, state: 'completed', findings };
}

type Reply = { ok: true; body: Record<string, unknown> } | { ok: false; error: ResearchError };

async function ask(endpoint: ResearchEndpoint, path: string, init: RequestInit): Promise<Reply> {
  const { baseUrl, serviceKey, userId } = endpoint;
  const headers = {
    'content-type': 'application/json',
    'x-user-id': userId,
    'x-app-id': 'mana-ai',
    ...(serviceKey === null ? {} : { 'x-service-key': serviceKey }),
  };
  // Called without `this`: workerd refuses a fetch that is bound to something else.
  const send =
    endpoint.fetch ?? ((url: string, request: RequestInit) => globalThis.fetch(url, request));
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    // A redirect could carry the key and the query to another host.
    const url = `${baseUrl.replace(/(?<!\/)\/+$/, '')}${path}`;
    const response = await send(url, { ...init, headers, redirect: 'manual', signal });
    return readReply(response.status, await readBoundedText(response, MAX_BODY, { signal }));
  } catch {
    return failed(signal.aborted ? 'timeout' : 'unreachable');
  }
}

function readReply(status: number, received: string | null): Reply {
  if (status === 404) return failed('not-found');
  if (status === 429) return failed('rate-limited');
  if (status >= 500) return failed('server-error');
  if (status >= 400) return failed('refused');
  if (status < 200 || status >= 300 || received === null) return failed('bad-answer');
  try {
    const body: unknown = JSON.parse(received);
    return isRecord(body) ? { ok: true, body } : failed('bad-answer');
  } catch {
    return failed('bad-answer');
  }
}

function findingsOf(result: unknown): Findings | null {
  const answer = isRecord(result) ? result['answer'] : undefined;
  if (!isRecord(answer) || typeof answer['answer'] !== 'string' || answer['answer'].trim() === '')
    return null;
  const citations = Array.isArray(answer['citations']) ? answer['citations'].filter(isRecord) : [];
  return {
    answer: answer['answer'].slice(0, MAX_ANSWER).toWellFormed(),
    citations: citations.slice(0, 50).map(({ title, url, snippet }) => ({
      title: text(title),
      url: text(url),
      snippet: text(snippet),
    })),
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function failed(kind: ResearchErrorKind): { ok: false; error: ResearchError } {
  const code = `RESEARCH_${kind.toUpperCase().replaceAll('-', '_')}`;
  return { ok: false, error: { kind, code, passing: PASSING.has(kind), message: ADVICE[kind] } };
}
