import { z } from 'zod';
import { id, number, optionalText } from '../tools/tool.ts';
import { readTool } from './read-tool.ts';
import { field, isSet, listOf, NOT_SHARED, type ReadRecord, withId } from './record.ts';

const CONTENT = ['content', 'body'];

export const noteReads = [
  readTool({
    table: 'notes',
    name: 'list_notes',
    description: 'List the notes that are shared with this mission: id, title and how each begins.',
    parameters: {
      limit: number().optional(),
      query: optionalText('Words that the note must contain.'),
      includeArchived: z.boolean().optional(),
    },
    answer: ({ limit, query = '', includeArchived = false }, records) => {
      const words = query.trim().toLowerCase();
      const wanted = records
        .filter((note) => includeArchived || !isSet(note, ['isArchived', 'archived']))
        .filter((note) => words === '' || textOf(note).includes(words));
      return listOf(
        wanted.map((note) => shown(note, 200)),
        limit,
      );
    },
  }),
  readTool({
    table: 'notes',
    name: 'get_note',
    description: 'Read one of the notes that are shared with this mission.',
    parameters: { noteId: id('the note') },
    answer: ({ noteId }, records) => {
      const note = withId(records, noteId);
      return note === undefined ? NOT_SHARED : { items: [shown(note, 6_000)] };
    },
  }),
];

function shown(note: ReadRecord, most: number): Record<string, unknown> {
  return { id: note.recordId, title: field(note, ['title']), content: field(note, CONTENT, most) };
}

function textOf(note: ReadRecord): string {
  return `${field(note, ['title']) ?? ''}\n${field(note, CONTENT, 100_000) ?? ''}`.toLowerCase();
}
