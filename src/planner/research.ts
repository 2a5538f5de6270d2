import { isEncrypted } from '../missions/mission.ts';
import { cutText, oneLine, withoutControls } from './text.ts';

/** What a research job found. Written by strangers of the web: data for the prompt, never instructions. */
export type Findings = {
  answer: string;
  citations: { title: string; url: string; snippet: string }[];
};

/** After these words it is something that a person has or does not want: "my research", "no research". A job costs money, every day where a mission runs daily. */
const NOT_AFTER =
  /(?<!\b(?:my|our|his|her|their|your|no|not|never|without|mein\w{0,6}|unser\w{0,6}|kein\w{0,6}|nicht|nie|ohne)\s{1,8})/
    .source;
const ASKED =
  /(?:research(?:es|ing)?|investigate|look (?:it )?up (?:online|on the web)|search (?:online|the web|the internet)|find out (?:online|on the web)|recherch(?:e|en|iere|ieren|ier)|nachforschen|nachforschungen|erforsche|im (?:internet|netz|web) (?:nachsehen|suchen|nach)|suche?n? (?:online|im (?:internet|netz|web)))/
    .source;

/** Words by which an objective asks for research, in English and German: a mere "news" is not enough. The word's edge comes first and what stands before it is bounded, so that little is looked back at. */
const ASKS_FOR_RESEARCH = new RegExp(`\\b${NOT_AFTER}${ASKED}\\b`, 'i');

const MAX_QUERY = 2_000;
const MAX_ANSWER = 8_000;
const MAX_CITATIONS = 12;

/**
 * The query that an objective asks for; null where it asks for none. It comes from the objective alone: nothing of a person's records
 * may leave by it.
 */
export function researchQuery(objective: string): string | null {
  if (isEncrypted(objective.trimStart()) || !ASKS_FOR_RESEARCH.test(objective.slice(0, 20_000)))
    return null;
  return oneLine(objective, MAX_QUERY);
}

/** Findings as text for the prompt, bounded; citations without an address of the web are left out. */
export function describeFindings({ answer, citations }: Findings): string {
  const cited = citations
    .filter(({ url }) => /^https?:\/\/\S+$/i.test(url))
    .slice(0, MAX_CITATIONS);
  const sources = cited.map(({ title, url, snippet }) => {
    const said = oneLine(snippet, 200);
    return `- ${oneLine(title, 200) || 'Source'}: ${cutText(url, 500, '')}${said === '' ? '' : ` (${said})`}`;
  });
  const text = cutText(withoutControls(answer).trim(), MAX_ANSWER);
  return [text, ...(sources.length === 0 ? [] : ['', 'Sources:', ...sources])].join('\n');
}
