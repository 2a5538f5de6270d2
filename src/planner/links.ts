import { embedsIn, unknownUrls, urlsIn } from '../inputs/urls.ts';
import type { ResolvedInput } from '../inputs/index.ts';
import { isRecord } from '../values/fields.ts';
import type { Findings } from './research.ts';

/**
 * The links that a plan may carry. Those that the mission names are the person's own words. Those of what was read are only
 * as good as whoever wrote it: a note with hundreds of links of its own is an alphabet, of which a plan could spell what else
 * it read. So they count in a step about the very record that holds them, a few in a plan, and never where an app would load
 * them by itself.
 */
export type PlanLinks = {
  /** of the mission, as `urlsIn` tells them */
  mission: string[];
  /** of each record by its id, likewise */
  records: Record<string, string[]>;
  /** of what research found: in any step, counted with those of records */
  research: string[];
};

/** Links of records and of research in one plan, its words included. */
export const MAX_READ_LINKS = 3;
const MAX_LINKS = 500;
const MAX_RECORDS = 300;

/** What was given at the start of a plan; nothing of earlier plans. */
export function linksGiven(given: {
  mission: { title: string; objective: string; conceptMarkdown: string };
  inputs: readonly ResolvedInput[];
  research?: Findings | 'failed' | undefined;
}): PlanLinks {
  const { mission, inputs, research } = given;
  const { title, objective, conceptMarkdown } = mission;
  return {
    mission: bounded(urlsIn([title, objective, conceptMarkdown])),
    records: inputs.reduce<PlanLinks['records']>(
      (records, { id, text }) => (id === undefined ? records : withLinks(records, id, text)),
      {},
    ),
    research: bounded(urlsIn(research)),
  };
}

/** The same with those of a reading call's answer: `items`, each a record with its id. */
export function linksRead(links: PlanLinks, result: unknown): PlanLinks {
  const items = isRecord(result) && Array.isArray(result['items']) ? result['items'] : [];
  const records = items
    .filter(isRecord)
    .reduce<PlanLinks['records']>(
      (known, item) =>
        typeof item['id'] === 'string' ? withLinks(known, item['id'], item) : known,
      links.records,
    );
  return { ...links, records };
}

/** `read`: the links of records and of research that it holds. */
export type LinkVerdict = { ok: true; read: string[] } | { ok: false; reason: string };

const UNKNOWN = 'stands in no input. Leave links out that you were not given.';
const ELSEWHERE =
  'stands in a record that this step does not name, and the mission does not name it. Leave it out, or name the record by its id.';
const EMBEDDED =
  'would be loaded as a picture or a part of the page. A link that was read may only stand as a link.';
const TOO_MANY = `is one too many: a plan has at most ${MAX_READ_LINKS} links that were read. Leave it out.`;

/**
 * Whether a step may have the links that it has.
 * @param params of the step; a record is its own where one of the params whose name ends in `id` names it
 * @param used links of records and research that the plan holds already
 */
export function judgeLinks(
  params: Record<string, unknown>,
  links: PlanLinks,
  used: readonly string[],
): LinkVerdict {
  const beyond = unknownUrls(params, new Set(links.mission));
  const own = ownLinks(params, links);
  const read = new Set<string>();
  for (const link of beyond) {
    const key = keyIn(link, own);
    if (key === null) return refused(link, isReadAnywhere(link, links) ? ELSEWHERE : UNKNOWN);
    read.add(key);
  }
  const [first = ''] = beyond;
  if (read.size > 0 && embedsIn(params)) return refused(first, EMBEDDED);
  if (new Set([...read, ...used]).size > MAX_READ_LINKS) return refused(first, TOO_MANY);
  return { ok: true, read: [...read] };
}

/** What the person will see of a plan: its steps and its last words. Words name no record, so links of records do not count there. */
type Shown = {
  steps: readonly { params: Record<string, unknown>; rationale?: string }[];
  answerText: string | null;
};

/** The links of records and of research that a plan holds by now. */
export function readLinksOf({ steps, answerText }: Shown, links: PlanLinks): string[] {
  const words = [answerText ?? '', ...steps.map(({ rationale = '' }) => rationale)];
  const parts = [...steps.map(({ params }) => params), ...words.map((text) => ({ text }))];
  const read = parts.flatMap((params) => {
    const verdict = judgeLinks(params, links, []);
    return verdict.ok ? verdict.read : [];
  });
  return [...new Set(read)];
}

/** Words beside the steps, or what stands instead of them: an app shows them as it shows steps, and loads a picture without asking. */
export function withoutUnknownLinks(
  words: string,
  { plan, instead }: { plan: Shown & { links: PlanLinks | null }; instead: string },
): string {
  if (plan.links === null) return words;
  const used = readLinksOf(plan, plan.links);
  return judgeLinks({ words }, plan.links, used).ok ? words : instead;
}

function ownLinks(params: Record<string, unknown>, links: PlanLinks): Set<string> {
  const ids = Object.entries(params).flatMap(([name, value]) =>
    /ids?$/i.test(name) ? [value].flat() : [],
  );
  const own = ids.flatMap((id) =>
    typeof id === 'string' && Object.hasOwn(links.records, id) ? (links.records[id] ?? []) : [],
  );
  return new Set([...own, ...links.research]);
}

function isReadAnywhere(link: string, links: PlanLinks): boolean {
  return keyIn(link, new Set(Object.values(links.records).flat())) !== null;
}

function keyIn(link: string, known: ReadonlySet<string>): string | null {
  if (unknownUrls(link, known).length > 0) return null;
  return [...urlsIn(link)].find((key) => known.has(key)) ?? null;
}

function refused(link: string, why: string): LinkVerdict {
  return { ok: false, reason: `The link ${link.replace(/\s/g, ' ').slice(0, 200)} ${why}` };
}

function withLinks(
  records: PlanLinks['records'],
  id: string,
  value: unknown,
): PlanLinks['records'] {
  const found = urlsIn(value);
  if (found.size === 0) return records;
  const kept = Object.entries(records).filter(([known]) => known !== id);
  const merged = bounded(new Set([...(records[id] ?? []), ...found]));
  return Object.fromEntries([...kept, [id, merged] as const].slice(-MAX_RECORDS));
}

function bounded(found: ReadonlySet<string>): string[] {
  return [...found].slice(0, MAX_LINKS);
}
