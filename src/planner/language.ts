/** Languages in which the runner itself speaks to a person. */
export const LANGUAGES = ['en', 'de', 'fr', 'es', 'it'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Small words that are frequent in one language and rare in the others. */
const MARKS: Record<Language, ReadonlySet<string>> = {
  en: words(
    'the and to of for my is that with this it on be me not are have what keep from week next each every before plan your',
  ),
  de: words(
    'der die das und ich nicht mit für auf den dem ein eine einen meine meinen mein zu ist im von bitte woche jede jeden noch wie bis wenn auch soll mir mich planen plane nächste nächsten schritte',
  ),
  fr: words(
    'le les des et pour mes mon ma est une dans que qui sur avec pas je moi du au aux chaque semaine prochaine prochaines étapes planifie cette ce nous vous à',
  ),
  es: words(
    'el los las y para mis mi es una con que por no me del cada semana próxima próximos pasos esta este lo planifica hay más quiero',
  ),
  it: words(
    'il gli le e per i miei mia mio è una con che non mi del della ogni settimana prossima prossimi passi questa questo di da sono voglio',
  ),
};

const MOST_WORDS = 400;
/** So many more marks than the next language has make a text one of a language. */
const LEAST_LEAD = 1;

/**
 * The language of a text, by its small words; that of `locale` (BCP 47) where the text is too short or too mixed to tell, English where
 * the runner does not speak that one.
 */
export function languageOf(text: string, locale: string): Language {
  const found =
    text
      .slice(0, 8_000)
      .toLowerCase()
      .match(/\p{L}+/gu)
      ?.slice(0, MOST_WORDS) ?? [];
  const counts = LANGUAGES.map((language) => ({
    language,
    count: found.filter((word) => MARKS[language].has(word)).length,
  })).toSorted((a, b) => b.count - a.count);
  const [first, second] = counts;
  if (first !== undefined && first.count >= 2 && first.count - (second?.count ?? 0) >= LEAST_LEAD)
    return first.language;
  const own = locale.slice(0, 2).toLowerCase();
  return LANGUAGES.find((language) => language === own) ?? 'en';
}

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(' '));
}
