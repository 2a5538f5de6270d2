import type { GrantClaims } from '../../src/grants/index.ts';
import { encodeBase64url } from '../../src/grants/bytes.ts';
import type { Agent } from '../../src/missions/agent.ts';
import type { Mission } from '../../src/missions/mission.ts';
import { canonicalJson } from '../../src/values/canonical-json.ts';
import type { ReadMarks } from './records.ts';

/**
 * What a run rests on. Kept with its checkpoint, and compared before anything is sent or written: a run whose ground has
 * changed begins anew, so that nothing reaches a model or a plan that the person has taken back since.
 */
export type RunBasis = {
  /** of `termsOf` */
  terms: string;
  /** of the records that were read */
  records: ReadMarks;
};

/**
 * The digest of what the person said and granted: base64url SHA-256 of the RFC 8785 JSON of the winning values. Values
 * count, not their stamps: a device repeats whole arrays with every update.
 * @param ground.mission as the log has it; texts may be ciphertext
 * @param ground.claims of the grant under which the run stands; null without one
 */
export async function termsOf(ground: {
  mission: Mission;
  agent: Agent | null;
  zone: string;
  claims: GrantClaims | null;
}): Promise<string> {
  const { mission, agent, zone, claims } = ground;
  const { title, objective, conceptMarkdown, inputs, agentId } = mission;
  const text = canonicalJson({
    title,
    objective,
    conceptMarkdown,
    inputs,
    agentId,
    agent: agent === null ? null : agentTerms(agent),
    zone,
    grant: claims === null ? null : grantTerms(claims),
  });
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return encodeBase64url(new Uint8Array(digest));
}

/** The name is shown beside the plan and asks nothing; limits are asked at each call. */
function agentTerms({ id, role, systemPrompt, memory, policy }: Agent): Record<string, unknown> {
  return { id, role, systemPrompt, memory, policy };
}

function grantTerms({ jti, records, llm, sealed = false, keysHash }: GrantClaims): unknown {
  return { jti, records, llm, sealed, keysHash };
}
