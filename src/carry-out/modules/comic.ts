import { names } from '../names.ts';
import { listOf, needAll, needOne, textOf } from '../records.ts';
import { appOnly, type ModuleTools, type Step } from '../step.ts';
import { changes, CHARACTERS, creates, ME_IMAGES, STORIES } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const CREATES_STORY = creates(
  STORIES,
  names(
    'title description style characterId characterMediaIds',
    'storyContext panelImageIds panelMeta tags isFavorite',
  ),
);
const CREATES_CHARACTER = creates(
  CHARACTERS,
  names(
    'name description style addPrompt sourceFaceMediaId',
    'sourceBodyMediaId variantMediaIds pinnedVariantId tags isFavorite',
  ),
);
const PINS = changes(CHARACTERS, ['pinnedVariantId']);

const STYLES = ['comic', 'manga', 'cartoon', 'graphic-novel', 'webtoon'] as const;

export const comic: ModuleTools = {
  module: 'comic',
  appId: 'comic',
  tools: {
    create_comic_story: {
      effect: 'create',
      writes: [CREATES_STORY],
      needs: () => [needAll(ME_IMAGES)],
      carryOut: createStory,
    },
    create_comic_character: {
      effect: 'create',
      writes: [CREATES_CHARACTER],
      needs: () => [needAll(ME_IMAGES)],
      carryOut: createCharacter,
    },
    pin_character_variant: {
      effect: 'change',
      writes: [PINS],
      needs: (params) => [needOne(CHARACTERS, params.trimmed('characterId'))],
      carryOut: pinVariant,
    },
    // Pictures are made for credits.
    generate_comic_panel: appOnly('spend'),
    generate_character_variant: appOnly('spend'),
  },
};

function createStory(step: Step): string {
  const { params } = step;
  const title = params.trimmed('title');
  const { face, body } = portraits(step);
  const beside = face ?? body;
  if (beside === null)
    throw new CannotCarryOut('NOT_POSSIBLE', 'A comic wants a picture of you in your profile.');
  step.insert(
    CREATES_STORY,
    {
      title,
      description: params.trimmedOrNull('description'),
      style: params.oneOf('style', STYLES),
      characterId: null,
      characterMediaIds: [face, body].flatMap((image) => mediaIdOf(image) ?? []),
      storyContext: params.trimmedOrNull('storyContext'),
      panelImageIds: [],
      panelMeta: {},
      tags: params.words('tags'),
      isFavorite: false,
    },
    beside,
  );
  return `Created the comic ${quoted(title)}.`;
}

function createCharacter(step: Step): string {
  const { params } = step;
  const name = params.trimmed('name');
  const { face, body } = portraits(step);
  if (face === null)
    throw new CannotCarryOut('NOT_POSSIBLE', 'A character wants a picture of your face.');
  step.insert(
    CREATES_CHARACTER,
    {
      name,
      description: params.trimmedOrNull('description'),
      style: params.oneOf('style', STYLES),
      addPrompt: params.trimmedOrNull('addPrompt'),
      sourceFaceMediaId: mediaIdOf(face),
      sourceBodyMediaId: mediaIdOf(body),
      variantMediaIds: [],
      pinnedVariantId: null,
      tags: params.words('tags'),
      isFavorite: false,
    },
    face,
  );
  return `Created the comic character ${quoted(name)}.`;
}

function pinVariant(step: Step): string {
  const { params } = step;
  const character = step.records.one(CHARACTERS, params.trimmed('characterId'), 'character');
  const variant = params.trimmed('variantMediaId');
  if (!listOf(character, 'variantMediaIds').includes(variant))
    throw new CannotCarryOut(
      'NOT_POSSIBLE',
      `${quoted(variant)} is no variant of the character ${named(character, 'name')}.`,
    );
  step.update(PINS, character, { pinnedVariantId: variant });
  return `Pinned a variant of the character ${named(character, 'name')}.`;
}

/** Both of one space: a comic shows its pictures there alone. */
function portraits(step: Step): { face: ReadRecord | null; body: ReadRecord | null } {
  const images = step.records.live(ME_IMAGES).filter((image) => mediaIdOf(image) !== null);
  const face = imageFor(images, 'face-ref');
  if (face === null) return { face, body: imageFor(images, 'body-ref') };
  const beside = images.filter(({ data }) => data['spaceId'] === face.data['spaceId']);
  return { face, body: imageFor(beside, 'body-ref') };
}

function imageFor(images: readonly ReadRecord[], role: string): ReadRecord | null {
  return images.find(({ data }) => data['primaryFor'] === role) ?? null;
}

function mediaIdOf(image: ReadRecord | null): string | null {
  return image === null ? null : textOf(image, 'mediaId');
}
