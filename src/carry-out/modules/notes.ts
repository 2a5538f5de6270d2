import { bad } from '../params.ts';
import { needOne, openedText } from '../records.ts';
import type { CarryOutTool, ModuleTools, Step } from '../step.ts';
import { changes, creates, NOTES } from '../tables.ts';
import type { ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const CREATES = creates(NOTES, ['title', 'content', 'color', 'isPinned', 'isArchived']);
const CHANGES = changes(NOTES, ['title', 'content']);
const CHANGES_CONTENT = changes(NOTES, ['content']);

const needsNote: CarryOutTool['needs'] = (params) => [needOne(NOTES, params.text('noteId'))];

export const notes: ModuleTools = {
  module: 'notes',
  appId: 'notes',
  tools: {
    create_note: { effect: 'create', writes: [CREATES], carryOut: createNote },
    update_note: { effect: 'change', writes: [CHANGES], needs: needsNote, carryOut: updateNote },
    append_to_note: {
      effect: 'change',
      writes: [CHANGES_CONTENT],
      needs: needsNote,
      carryOut: appendToNote,
    },
    add_tag_to_note: {
      effect: 'change',
      writes: [CHANGES_CONTENT],
      needs: needsNote,
      carryOut: addTag,
    },
  },
};

function createNote(step: Step): string {
  const { params } = step;
  const title = params.optionalText('title') ?? '';
  const content = params.optionalText('content') ?? '';
  step.insert(CREATES, { title, content, color: null, isPinned: false, isArchived: false });
  return `Created the note ${quoted(title || content)}.`;
}

function updateNote(step: Step): string {
  const note = noteOf(step);
  const title = step.params.optionalText('title');
  const content = step.params.optionalText('content');
  if (title === null && content === null) throw bad('title or content is needed.');
  step.update(CHANGES, note, { title: title ?? undefined, content: content ?? undefined });
  const changed = [title === null ? '' : 'title', content === null ? '' : 'text'];
  return `Changed the ${changed.filter(Boolean).join(' and ')} of the note ${named(note, 'title')}.`;
}

function appendToNote(step: Step): string {
  const note = noteOf(step);
  const added = step.params.trimmed('content');
  const before = openedText(note, 'content');
  const between = before === '' || before.endsWith('\n') ? '' : '\n';
  step.update(CHANGES_CONTENT, note, { content: `${before}${between}${added}` });
  return `Added ${quoted(added)} to the note ${named(note, 'title')}.`;
}

function addTag(step: Step): string {
  const note = noteOf(step);
  const tag = step.params.text('tag').trim().replace(/^#+/, '').trim().replaceAll(/\s+/g, '_');
  if (tag === '') throw bad('tag must not be empty.');
  const before = openedText(note, 'content');
  const stands = before.split(/\s+/).some((word) => word.toLowerCase() === `#${tag}`.toLowerCase());
  if (stands) return `The note ${named(note, 'title')} has the tag #${tag} already.`;
  const between = before === '' || before.endsWith('\n') ? '' : '\n\n';
  step.update(CHANGES_CONTENT, note, { content: `${before}${between}#${tag}` });
  return `Added the tag #${tag} to the note ${named(note, 'title')}.`;
}

function noteOf(step: Step): ReadRecord {
  return step.records.one(NOTES, step.params.text('noteId'), 'note');
}
