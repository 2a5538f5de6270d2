import type { ResolvedInput } from '../inputs/index.ts';
import type { Findings } from './research.ts';

/** Links as they stand in text; what may end one in a sentence is not part of it. */
const LINK = /\bhttps?:\/\/[^\s"'<>`\\)\]}]+/gi;

/** The links in a text, without the punctuation after them. */
export function linksIn(text: string): string[] {
  return Array.from(text.matchAll(LINK), ([link]) => link.replace(/[.,;:!?…]+$/, ''));
}

/** The links that a person or a source gave: those of the mission, its inputs and the research, none of earlier plans. */
export function linksGiven(given: {
  mission: { title: string; objective: string; conceptMarkdown: string };
  inputs: readonly ResolvedInput[];
  research?: Findings | 'failed';
}): string[] {
  const { mission, inputs, research } = given;
  const found = research === undefined || research === 'failed' ? [] : [JSON.stringify(research)];
  const texts = [
    mission.title,
    mission.objective,
    mission.conceptMarkdown,
    ...inputs.map(({ text }) => text),
    ...found,
  ];
  return [...new Set(texts.flatMap(linksIn))];
}

/** The first link in params that is not among `known`; undefined where there is none. */
export function unknownLink(params: Record<string, unknown>, known: ReadonlySet<string>): string | undefined {
  return linksIn(JSON.stringify(params)).find((link) => !known.has(link));
}
