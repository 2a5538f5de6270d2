import { en, type Words } from '../words/en.ts';
import { germanPart } from './lazy.ts';
import { Watched, useWatched } from './store.ts';

export type Language = 'en' | 'de';

/** What this browser was told to prefer; none of it is anybody's secret. */
export type Preferences = { language: Language; shortcuts: boolean; zone: string | null };

const NAME = 'mana-preferences';

function read(): Preferences {
  const language = navigator.language.startsWith('de') ? 'de' : 'en';
  const fallback: Preferences = { language, shortcuts: true, zone: null };
  try {
    return { ...fallback, ...(JSON.parse(localStorage.getItem(NAME) ?? '{}') as object) };
  } catch {
    return fallback;
  }
}

export const preferences = new Watched<Preferences>(read());
export const words = new Watched<Words>(en);

/** Loads the words of the preferred language. */
export async function loadWords(): Promise<void> {
  const { language } = preferences.value;
  document.documentElement.lang = language;
  words.set(language === 'de' ? (await germanPart()).de : en);
}

export function prefer(change: Partial<Preferences>): void {
  preferences.update((before) => ({ ...before, ...change }));
  localStorage.setItem(NAME, JSON.stringify(preferences.value));
  if (change.language !== undefined) void loadWords();
}

export function useWords(): Words {
  return useWatched(words);
}
