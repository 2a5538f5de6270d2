import { oneLine } from '../text.ts';
import type { Language } from '../language.ts';
import { DE } from './sentences-de.ts';
import { ES } from './sentences-es.ts';
import { FR } from './sentences-fr.ts';
import { IT } from './sentences-it.ts';
import { localDate } from './readable-date.ts';
import { MAX_SUMMARY, quote, type Tool } from './tool.ts';

/**
 * The sentence of each tool in one language. `{name}` is a parameter in quotes, `{=name}` without them, `{@name}` a date as a person says
 * it; `[…]` is left out where one of its parameters is missing or blank.
 */
export type Sentences = Readonly<Record<string, string>>;

const SENTENCES: Readonly<Record<Exclude<Language, 'en'>, Sentences>> = {
  de: DE,
  fr: FR,
  es: ES,
  it: IT,
};

/** What a step does, as a sentence for a person in their language; in English where that language has none for the tool. */
export function sentenceOf(
  tool: Tool,
  params: Record<string, unknown>,
  language: Language,
): string {
  const template = language === 'en' ? undefined : SENTENCES[language][tool.name];
  if (template === undefined || language === 'en') return tool.summarise(params);
  const filled = template.replace(/\[([^[\]]*)\]/g, (_all, part: string) => {
    const names = [...part.matchAll(/\{[=@]?(\w+)\}/g)].map(([, name = '']) => name);
    return names.every((name) => isSaid(params[name])) ? part : '';
  });
  const text = filled.replace(/\{([=@]?)(\w+)\}/g, (_all, kind: string, name: string) =>
    spoken(params[name], { kind, language }),
  );
  return oneLine(text, MAX_SUMMARY);
}

function spoken(value: unknown, { kind, language }: { kind: string; language: Language }): string {
  const text = plainText(value);
  if (kind === '@') return oneLine(localDate(text, language), 80);
  return kind === '=' ? oneLine(text, 80) : quote(text);
}

/** A list as how many it has, an object as the names in it. */
function plainText(value: unknown): string {
  if (Array.isArray(value)) return String(value.length);
  if (typeof value === 'object' && value !== null) return Object.keys(value).join(', ');
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

function isSaid(value: unknown): boolean {
  return typeof value === 'string' ? value.trim() !== '' : value !== undefined && value !== null;
}
