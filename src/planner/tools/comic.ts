import { id, number, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

const STYLES = ['comic', 'manga', 'cartoon', 'graphic-novel', 'webtoon'] as const;
const QUALITIES = ['low', 'medium', 'high'] as const;
const MODELS = [
  'openai/gpt-image-2',
  'google/gemini-3-pro-image-preview',
  'google/gemini-3.1-flash-image-preview',
] as const;

export const comic = toolsOf(
  'comic',
  ['comic', 'manga', 'cartoon', 'character', 'panel', 'figur'],
  [
    tool({
      name: 'create_comic_story',
      description: 'Start a comic story; its panels follow.',
      parameters: {
        title: text(),
        style: oneOf(STYLES),
        description: optionalText(),
        storyContext: optionalText('World and characters, for all panels.'),
        tags: optionalText('Separated by commas.'),
      },
      summarise: ({ title, style }) => `Start ${style} story ${quote(title)}`,
    }),
    tool({
      name: 'generate_comic_panel',
      description: 'Have one panel of a story drawn. Costs money.',
      parameters: {
        storyId: id('the story'),
        panelPrompt: text('What the panel shows.'),
        caption: optionalText(),
        dialogue: optionalText(),
        quality: oneOf(QUALITIES).optional(),
        model: oneOf(MODELS).optional(),
      },
      summarise: ({ storyId, panelPrompt }) =>
        `Draw panel ${quote(panelPrompt)} for story ${quote(storyId)}`,
    }),
    tool({
      name: 'create_comic_character',
      description: 'Add a character for comic stories.',
      parameters: {
        name: text(),
        style: oneOf(STYLES),
        addPrompt: optionalText('How the character looks.'),
        description: optionalText(),
        tags: optionalText('Separated by commas.'),
      },
      summarise: ({ name, style }) => `Add ${style} character ${quote(name)}`,
    }),
    tool({
      name: 'generate_character_variant',
      description: 'Have pictures of a character drawn. Costs money.',
      parameters: {
        characterId: id('the character'),
        count: number('How many pictures.').optional(),
        quality: oneOf(QUALITIES).optional(),
        model: oneOf(MODELS).optional(),
      },
      summarise: ({ characterId, count }) =>
        `Draw ${part('', count) || 'new'} pictures of character ${quote(characterId)}`,
    }),
    tool({
      name: 'pin_character_variant',
      description: 'Choose the picture that stands for a character.',
      parameters: { characterId: id('the character'), variantMediaId: id('the picture') },
      summarise: ({ characterId, variantMediaId }) =>
        `Use picture ${quote(variantMediaId)} for character ${quote(characterId)}`,
    }),
  ],
);
