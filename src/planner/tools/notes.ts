import { id, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

export const notes = toolsOf(
  'notes',
  ['note', 'write down', 'memo', 'idea', 'notiz', 'idee', 'aufschreiben'],
  [
    tool({
      name: 'create_note',
      description: 'Write a new note: something to keep, not something to do.',
      parameters: { title: optionalText('Short.'), content: text('The note, Markdown.') },
      summarise: ({ title, content }) => `Create note ${quote(title?.trim() ? title : content)}`,
    }),
    tool({
      name: 'update_note',
      description:
        'Replace the title, the content or both of a note. The old content is lost; to add to it use append_to_note.',
      parameters: {
        noteId: id('the note'),
        title: optionalText(),
        content: optionalText('The whole new content, Markdown.'),
      },
      summarise: ({ noteId, title, content }) =>
        `Change ${changed(title, content)} of note ${quote(noteId)}${part(', titled ', title)}`,
    }),
    tool({
      name: 'append_to_note',
      description: 'Add text at the end of a note and keep what is there.',
      parameters: { noteId: id('the note'), content: text('What is added, Markdown.') },
      summarise: ({ noteId, content }) => `Add ${quote(content)} to note ${quote(noteId)}`,
    }),
    tool({
      name: 'add_tag_to_note',
      description: 'Give an existing note a tag.',
      parameters: { noteId: id('the note'), tag: text('One word or a short phrase, without #.') },
      summarise: ({ noteId, tag }) => `Tag note ${quote(noteId)} with ${quote(tag)}`,
    }),
  ],
);

/** Which parts of a note a change replaces. */
function changed(title: string | undefined, content: string | undefined): string {
  if (content === undefined) return title === undefined ? 'nothing' : 'the title';
  return title === undefined ? 'the content' : 'title and content';
}
