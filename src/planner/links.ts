import { urlsIn } from '../inputs/urls.ts';
import type { ResolvedInput } from '../inputs/index.ts';
import type { Findings } from './research.ts';

/** The links that a person or a source gave: those of the mission, its inputs and the research, none of earlier plans. */
export function linksGiven(given: {
  mission: { title: string; objective: string; conceptMarkdown: string };
  inputs: readonly ResolvedInput[];
  research?: Findings | 'failed' | undefined;
}): string[] {
  const { mission, inputs, research } = given;
  const { title, objective, conceptMarkdown } = mission;
  return [...urlsIn([title, objective, conceptMarkdown, inputs.map(({ text }) => text), research])];
}
