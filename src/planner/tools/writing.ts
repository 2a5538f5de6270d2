import { id, number, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

const KINDS = [
  'blog',
  'essay',
  'email',
  'social',
  'story',
  'letter',
  'speech',
  'cover-letter',
  'product-description',
  'press-release',
  'bio',
  'other',
] as const;

export const writing = toolsOf(
  'writing',
  [
    'writing',
    'draft',
    'blog',
    'essay',
    'letter',
    'speech',
    'entwurf',
    'schreiben',
    'brief',
    'text',
  ],
  [
    tool({
      name: 'create_draft',
      description:
        'Start a draft with a briefing; its text is written later with generate_draft_content.',
      parameters: {
        kind: oneOf(KINDS),
        title: text(),
        topic: text('What the text is about.'),
        audience: optionalText('Who reads it.'),
        tone: optionalText(),
        language: optionalText('Language code, e.g. de.'),
        targetWords: number('Length in words.').optional(),
        styleId: optionalText('Id of a writing style, exactly as in the data.'),
        extraInstructions: optionalText(),
      },
      summarise: ({ kind, title, audience }) =>
        `Start ${kind} draft ${quote(title)}${part(' for ', audience)}`,
    }),
    tool({
      name: 'generate_draft_content',
      description: 'Have the text of a draft written from its briefing.',
      parameters: { draftId: id('the draft') },
      summarise: ({ draftId }) => `Write the text of draft ${quote(draftId)}`,
    }),
    tool({
      name: 'refine_draft_selection',
      description:
        'Have a passage of a draft shortened, expanded, rewritten, translated or changed in tone.',
      parameters: {
        draftId: id('the draft'),
        operation: oneOf(['shorten', 'expand', 'tone', 'rewrite', 'translate']),
        selectionStart: number('First character, from 0.'),
        selectionEnd: number('Character after the last one.'),
        targetTone: optionalText('For tone.'),
        instruction: optionalText(),
        targetLanguage: optionalText('For translate: language code.'),
      },
      summarise: ({
        draftId,
        operation,
        selectionStart,
        selectionEnd,
        targetTone,
        targetLanguage,
      }) =>
        `Refine characters ${selectionStart} to ${selectionEnd} of draft ${quote(draftId)}: ${operation}${part(' to ', targetTone ?? targetLanguage)}`,
    }),
    tool({
      name: 'set_draft_status',
      description: 'Change the status of a draft.',
      parameters: {
        draftId: id('the draft'),
        status: oneOf(['draft', 'refining', 'complete', 'published']),
      },
      summarise: ({ draftId, status }) => `Set draft ${quote(draftId)} to ${status}`,
    }),
    tool({
      name: 'save_draft_as_article',
      description: 'Save a draft as an article of the reading list.',
      parameters: { draftId: id('the draft') },
      summarise: ({ draftId }) => `Save draft ${quote(draftId)} as an article`,
    }),
  ],
);
