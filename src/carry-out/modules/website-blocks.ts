import { names } from '../names.ts';
import { isRecord } from '../../values/fields.ts';
import { bad } from '../params.ts';

/**
 * What one value of a block may be: takes what was given (undefined: nothing) and gives what is
 * stored, or throws.
 */
type Shape = (given: unknown, at: string) => unknown;
type Shapes = Readonly<Record<string, Shape>>;

/** Text of `least` to `most` characters; without a default it must be given. */
function text(most: number, standard?: string, least = 0): Shape {
  return (given, at) => {
    const value = given ?? standard;
    if (typeof value !== 'string' || value.length < least || value.length > most)
      throw bad(`${at} wants to be text of ${least} to ${most} characters.`);
    return value;
  };
}

function oneOf(standard: string | number, ...others: readonly (string | number)[]): Shape {
  const all = [standard, ...others];
  return (given, at) => {
    const value = given ?? standard;
    if (!all.includes(value as string)) throw bad(`${at} wants to be one of ${all.join(', ')}.`);
    return value;
  };
}

function flag(standard: boolean): Shape {
  return (given, at) => {
    const value = given ?? standard;
    if (typeof value !== 'boolean') throw bad(`${at} wants to be true or false.`);
    return value;
  };
}

function whole(least: number, most: number, standard?: number): Shape {
  return (given, at) => {
    const value = given ?? standard;
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || Number(value) < least || Number(value) > most)
      throw bad(`${at} wants to be a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** Left out where it was not given. */
function optional(shape: Shape): Shape {
  return (given, at) => (given === undefined ? undefined : shape(given, at));
}

function listOf(shape: Shape, most: number, least = 0): Shape {
  return (given, at) => {
    const value: unknown = given ?? [];
    if (!Array.isArray(value) || value.length < least || value.length > most)
      throw bad(`${at} wants to be a list of ${least} to ${most}.`);
    return value.map((item: unknown, index) => shape(item, `${at}[${index}]`));
  };
}

/** Unknown keys are dropped. */
function object(shapes: Shapes): Shape {
  return (given, at) => {
    const value = given ?? {};
    if (!isRecord(value)) throw bad(`${at} wants to be an object.`);
    const entries = Object.entries(shapes).map(
      ([key, shape]) => [key, shape(value[key], `${at}.${key}`)] as const,
    );
    return Object.fromEntries(entries.filter(([, kept]) => kept !== undefined));
  };
}

function matching(pattern: RegExp, words: string): Shape {
  return (given, at) => {
    if (typeof given !== 'string' || !pattern.test(given)) throw bad(`${at} wants ${words}.`);
    return given;
  };
}

const IMAGE = object({
  url: text(1024, undefined, 1),
  altText: text(280, ''),
  caption: text(280, ''),
});
const QUESTION = object({
  question: text(280, undefined, 1),
  answer: text(2000, undefined, 1),
});
const FIELD = object({
  name: matching(/^[a-z][a-z0-9_]{0,39}$/i, 'a letter, then letters, digits and _'),
  label: text(120, undefined, 1),
  type: oneOf('text', 'email', 'tel', 'url', 'textarea', 'number'),
  required: flag(false),
  placeholder: text(120, ''),
  helpText: text(280, ''),
  maxLength: whole(1, 10_000, 1000),
});
const FILTER = object({
  isFavorite: optional(flag(false)),
  status: optional(text(32)),
  kind: optional(text(32)),
  upcomingDays: optional(whole(1, 365)),
  tagIds: optional(listOf(text(64), 16)),
});

/** The blocks of a page: what each holds, with what stands where nothing is said. */
const BLOCKS: Readonly<Record<string, Shape>> = {
  hero: object({
    eyebrow: text(120, ''),
    title: text(240, undefined, 1),
    subtitle: text(480, ''),
    ctaLabel: text(60, ''),
    ctaHref: text(512, ''),
    align: oneOf('center', 'left'),
    background: oneOf('subtle', 'none', 'gradient'),
  }),
  richText: object({
    content: text(10_000, ''),
    align: oneOf('left', 'center'),
    size: oneOf('md', 'sm', 'lg'),
  }),
  cta: object({
    title: text(160, ''),
    description: text(480, ''),
    buttonLabel: text(60, 'Learn more', 1),
    buttonHref: text(512, '#'),
    variant: oneOf('primary', 'secondary', 'ghost'),
    align: oneOf('center', 'left'),
    background: oneOf('subtle', 'none', 'primary'),
  }),
  image: object({
    url: text(1024, ''),
    altText: text(280, ''),
    caption: text(280, ''),
    aspectRatio: oneOf('auto', '16:9', '4:3', '1:1', '21:9'),
    width: oneOf('container', 'narrow', 'full'),
    fit: oneOf('cover', 'contain'),
  }),
  gallery: object({
    title: text(160, ''),
    images: listOf(IMAGE, 60),
    layout: oneOf('grid', 'masonry'),
    columns: oneOf(3, 2, 4),
    gap: oneOf('md', 'sm', 'lg'),
    lightbox: flag(true),
  }),
  faq: object({
    title: text(160, 'FAQ'),
    items: listOf(QUESTION, 50),
    defaultOpen: flag(false),
  }),
  form: object({
    title: text(160, ''),
    description: text(480, ''),
    fields: listOf(FIELD, 20, 1),
    submitLabel: text(40, 'Send', 1),
    successMessage: text(400, 'Thank you. Your message has arrived.', 1),
    target: oneOf('inbox'),
  }),
  moduleEmbed: object({
    source: oneOf(
      'picture.board',
      ...names(
        'library.entries calendar.events todo.tasks goals.goals places.places recipes.recipes',
        'wardrobe.outfits comic.stories habits.habits quiz.quizzes events.socialEvents',
        'memoro.memos cards.decks presi.decks augur.entries',
      ),
    ),
    sourceId: text(64, ''),
    title: text(160, ''),
    layout: oneOf('grid', 'list'),
    maxItems: whole(1, 48, 12),
    filter: FILTER,
  }),
  columns: object({
    count: oneOf(2, 3),
    gap: oneOf('md', 'sm', 'lg'),
    align: oneOf('stretch', 'start', 'center'),
    stackOnMobile: flag(true),
  }),
  spacer: object({ size: oneOf('md', 'sm', 'lg', 'xl') }),
};

/** What a block without props starts with, where its type wants more than its defaults. */
const FIRST_PROPS: Readonly<Record<string, Record<string, unknown>>> = {
  hero: { title: 'Welcome' },
  faq: { items: [{ question: 'A question', answer: 'Its answer' }] },
  form: {
    fields: [
      { name: 'name', label: 'Name', required: true },
      { name: 'email', label: 'Email', type: 'email', required: true },
      { name: 'message', label: 'Message', type: 'textarea', required: true },
    ],
  },
};

export const BLOCK_TYPES: readonly string[] = Object.keys(BLOCKS);

/**
 * The props of a block as they are stored. `given` null: those that it starts with. @throws
 * CannotCarryOut BAD_PARAMS
 */
export function blockProps(
  type: string,
  given: Record<string, unknown> | null,
): Record<string, unknown> {
  const shape = Object.hasOwn(BLOCKS, type) ? BLOCKS[type] : undefined;
  if (shape === undefined) throw bad(`type wants to be one of ${BLOCK_TYPES.join(', ')}.`);
  return shape(given ?? FIRST_PROPS[type] ?? {}, 'props') as Record<string, unknown>;
}
