import { FieldReader, isOneOf, isRecord } from '../values/fields.ts';

const policyDecisions = ['auto', 'propose', 'deny'] as const;
const agentStates = ['active', 'paused', 'archived'] as const;

export type PolicyDecision = (typeof policyDecisions)[number];
export type AgentState = (typeof agentStates)[number];

/**
 * What an agent may do with a tool, as plain JSON. Tool names come from outside, so use
 * `resolvePolicy`, which looks at own properties only.
 */
export type Policy = {
  tools: Record<string, PolicyDecision>;
  defaultsByModule: Record<string, PolicyDecision>;
  defaultForAi: PolicyDecision;
};

/** An agent as the runner understands it; plain JSON. Prompt and memory may be ciphertext. */
export type Agent = {
  id: string;
  name: string;
  role: string;
  systemPrompt: string;
  memory: string;
  state: AgentState;
  /** At least 1. */
  maxConcurrentMissions: number;
  /** Tokens in a rolling 24 h; 0 means paused, null no limit. */
  maxTokensPerDay: number | null;
  policy: Policy;
  ignoredFields: string[];
};

/**
 * Reads a merged `agents` record. Never throws: a field that cannot be read takes its default and
 * is named in `ignoredFields`. An absent state is 'active'. An unknown state counts as 'paused',
 * because whoever wrote it wanted something other than a running agent.
 */
export function parseAgent(record: Record<string, unknown>): Agent {
  const fields = new FieldReader(record);
  return {
    id: fields.text('id'),
    name: fields.text('name'),
    role: fields.text('role'),
    systemPrompt: fields.text('systemPrompt'),
    memory: fields.text('memory'),
    state: readState(fields),
    maxConcurrentMissions: fields.take('maxConcurrentMissions', 1, (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : undefined,
    ),
    // A negative limit means "nothing", not "no limit": a broken budget must not cost money.
    maxTokensPerDay: fields.take<number | null>('maxTokensPerDay', null, (value) =>
      typeof value === 'number' && Number.isFinite(value)
        ? Math.max(0, Math.floor(value))
        : undefined,
    ),
    policy: readPolicy(fields),
    ignoredFields: fields.ignored,
  };
}

/**
 * The decision for a tool: its own entry, else its module's, else the general default, else
 * 'propose'.
 */
export function resolvePolicy(
  policy: Policy,
  tool: { name: string; module: string },
): PolicyDecision {
  return (
    ownEntry(policy.tools, tool.name) ??
    ownEntry(policy.defaultsByModule, tool.module) ??
    policy.defaultForAi
  );
}

function readState(fields: FieldReader): AgentState {
  const value = fields.raw('state');
  if (value === null) return 'active';
  if (isOneOf(agentStates, value)) return value;
  fields.ignore('state');
  return 'paused';
}

function readPolicy(fields: FieldReader): Policy {
  const policy = fields.take('policy', {}, (value) => (isRecord(value) ? value : undefined));
  const inner = new FieldReader(policy);
  const result: Policy = {
    tools: readDecisions(inner, 'tools'),
    defaultsByModule: readDecisions(inner, 'defaultsByModule'),
    defaultForAi: inner.take<PolicyDecision>('defaultForAi', 'propose', (value) =>
      isOneOf(policyDecisions, value) ? value : undefined,
    ),
  };
  for (const name of inner.ignored) fields.ignore(`policy.${name}`);
  return result;
}

function readDecisions(policy: FieldReader, name: string): Record<string, PolicyDecision> {
  // An entry that a person took away stands as null.
  const entries = Object.entries(
    policy.take(name, {}, (value) => (isRecord(value) ? value : undefined)),
  ).filter(([, decision]) => decision !== null);
  const known = entries.filter((entry): entry is [string, PolicyDecision] =>
    isOneOf(policyDecisions, entry[1]),
  );
  if (known.length < entries.length) policy.ignore(name);
  // fromEntries defines own properties, so even the key `__proto__` stays an entry like any other.
  return Object.fromEntries(known);
}

/**
 * Tool and module names come from outside, so a tool called `constructor` must not find the member
 * of Object.
 */
function ownEntry(
  entries: Record<string, PolicyDecision>,
  name: string,
): PolicyDecision | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}
