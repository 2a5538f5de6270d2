import tlds from 'tlds' with { type: 'json' };

/** Names at the end of a host that IANA does not list and that apps or home networks resolve all the same. */
const OUTSIDE_THE_ROOT = 'corp eth example home internal invalid lan local localhost onion test';

const TOP_LEVEL: ReadonlySet<string> = new Set([...tlds, ...OUTSIDE_THE_ROOT.split(' ')]);

/** No word begins a sentence with these. */
const NO_WORD: ReadonlySet<string> = new Set(
  'app biz com dev edu gov info int link mil mov net onion online org page site top web website xyz zip'.split(
    ' ',
  ),
);

/**
 * Whether a host that ends in `label` is linked by apps without a scheme. `Fertig.Jetzt` is two sentences, as long as it is
 * no more than two words: a name that could hold data has more labels.
 * @param labels how many labels the name has
 */
export function endsHost(label: string, labels: number): boolean {
  const lower = label.toLowerCase();
  if (labels <= 2 && /^\p{Lu}\p{Ll}+$/u.test(label) && !NO_WORD.has(lower)) return false;
  return TOP_LEVEL.has(lower) || lower.startsWith('xn--');
}
