import { describe, expect, test } from 'vitest';
import { carryOut, type ReadRecord, type Write } from '../../../src/carry-out/index.ts';
import { findTable } from '../../../src/carry-out/tables.ts';
import seen from '../../vectors/carry-out.json' with { type: 'json' };

type SeenRow = {
  appId: string;
  localTable: string;
  op: string;
  data: Record<string, unknown>;
  encrypted?: string[];
};
type Seen = { case: string; params: Record<string, unknown>; rows: SeenRow[] };

const USER = 'user-1';
const SPACE = 'space-1';

const record = (path: string, recordId: string, data: Record<string, unknown> = {}): ReadRecord => {
  const [appId = '', table = ''] = path.split('/');
  return { appId, table, recordId, data: { spaceId: SPACE, ...data }, spaceId: SPACE };
};
const several = (path: string, many: number, data: Record<string, unknown> = {}): ReadRecord[] =>
  Array.from({ length: many }, (_, n) => record(path, `${path}-${n}`, data));

const FACE = record('profile/meImages', 'i', { primaryFor: 'face-ref', mediaId: 'media-face' });
const SITE = record('website/websites', '<id1>', {
  slug: 'other',
  navConfig: { items: [] },
  footerConfig: { links: [] },
});
const QUIZ = record('quiz/quizzes', '<id1>', { questionCount: 2 });
const PAGE = record('website/websitePages', '<id1>', { siteId: 'site', order: 1024 });
const BLOCK_SITE = record('website/websites', 'site');
const BLOCK = record('website/websiteBlocks', 'b', { pageId: '<id1>', order: 1024 });
const CAMPAIGN_SETTINGS = record('broadcasts/broadcastSettings', 'broadcast-settings', {
  defaultFromName: '',
  defaultFromEmail: '',
  defaultReplyTo: null,
});
const DRAFT = record('writing/writingDrafts', '<id1>', {
  title: 'v-title',
  status: 'draft',
  currentVersionId: 'v',
  publishedTo: [{ module: 'articles', targetId: '<id3>', publishedAt: '2026-11-28T11:20:37.565Z' }],
});
const PAGES = (n: number) =>
  several('website/websitePages', n, { siteId: '<id1>' }).map((page, index) => ({
    ...page,
    data: { ...page.data, order: (index + 1) * 1024, path: `/${index}` },
  }));

/** What the app had when it wrote these rows. */
const RECORDS: Record<string, ReadRecord[]> = {
  'add_article_highlight:required': [
    record('articles/articles', 'art1', {
      content: 'Some long text here that is long enough, a text that is long enough indeed.',
    }),
  ],
  'add_quiz_question:required': [QUIZ, ...several('quiz/questions', 2, { quizId: '<id1>' })],
  'add_tag_to_note:all': [record('notes/notes', '<id1>', { content: 'c' })],
  'add_website_block:all': [PAGE, BLOCK_SITE],
  'add_website_block:required': [PAGE, BLOCK_SITE, BLOCK],
  'append_to_note:all': [record('notes/notes', '<id1>', { content: 'c\n\n#v-tag' })],
  'archive_article:all': [record('articles/articles', 'art1')],
  'complete_task:all': [record('todo/tasks', '<id1>', { isCompleted: false })],
  'confirm_last:all': [record('lasts/lasts', '<id1>', { status: 'suspected' })],
  'create_campaign_draft:required': [CAMPAIGN_SETTINGS],
  'create_comic_character:all': [FACE],
  'create_comic_character:required': [FACE],
  'create_comic_story:all': [FACE],
  'create_comic_story:required': [FACE],
  'create_event:required': [record('calendar/calendars', 'cal1', { isDefault: true })],
  'create_habit:required': several('habits/habits', 2),
  'create_invoice:required': [
    record('invoices/invoiceSettings', 'invoice-settings', {
      numberPrefix: '2026-',
      numberPadding: 4,
      nextNumber: 3,
      defaultDueDays: 30,
      defaultTerms: null,
    }),
  ],
  'create_task:required': several('todo/tasks', 3),
  'create_website_page:all': [SITE, ...PAGES(1)],
  'create_website_page:required': [SITE, ...PAGES(2)],
  'delete_quiz_question:all': [
    record('quiz/questions', '<id1>', { quizId: 'quiz' }),
    ...several('quiz/questions', 2, { quizId: 'quiz' }),
    record('quiz/quizzes', 'quiz'),
  ],
  'log_habit:required': [
    record('habits/habits', '<id1>', { title: 'h', color: '#ff0000', icon: 'star' }),
  ],
  'rate_library_entry:all': [record('library/libraryEntries', '<id1>')],
  'reclaim_last:all': [record('lasts/lasts', '<id1>', { status: 'confirmed' })],
  'resolve_sign:all': [record('augur/augurEntries', '<id1>')],
  'save_draft_as_article:required': [
    DRAFT,
    record('writing/writingDraftVersions', 'v', { content: '' }),
  ],
  'set_draft_status:all': [DRAFT],
  'undo_drink:all': [record('drink/drinkEntries', 'd', { date: '2026-11-28', time: '10:00' })],
  'update_library_entry_status:all': [record('library/libraryEntries', '<id1>')],
  'update_quiz:all': [QUIZ],
  'update_quiz_question:all': [record('quiz/questions', '<id1>', { type: 'single' })],
};

const WIRE_NAMES: Record<string, string> = {
  articleHighlights: 'highlights',
  quizQuestions: 'questions',
};
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
/** Ours give both; the app's stores write the first alone, and not all of them. */
const STAMPS = ['createdAt', 'updatedAt'];

/** Our rows in the form in which the app's were seen: random ids and moments do not count. */
function comparable(value: unknown, ids: Map<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => comparable(item, ids));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, comparable(inner, ids)]),
    );
  if (typeof value !== 'string') return value;
  if (INSTANT.test(value)) return '<moment>';
  const known = value === USER ? '<user>' : value === SPACE ? '<space>' : value;
  return known.replaceAll(
    /<id\d+>|[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g,
    (id) => {
      if (!ids.has(id)) ids.set(id, `<id ${ids.size + 1}>`);
      return ids.get(id) ?? '';
    },
  );
}

/** In one order, and with the keys of a row in one order: ids are numbered as they come. */
function ordered(rows: { appId: string; table: string; op: string; data: object }[]) {
  const key = (row: (typeof rows)[number]): string => `${row.appId}/${row.table} ${row.op}`;
  return rows
    .toSorted((a, b) => key(a).localeCompare(key(b)))
    .map((row) => ({
      row: key(row),
      data: Object.fromEntries(Object.entries(row.data).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    }));
}

function withoutEditor(name: string, data: Record<string, unknown>): Record<string, unknown> {
  // The app stores an empty document beside the HTML, which its editor then shows; ours holds the words.
  if (!name.startsWith('create_campaign_draft') || data['content'] === undefined) return data;
  return { ...data, content: { ...(data['content'] as object), tiptap: null } };
}

const withoutStamps = (data: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(data).filter(([name]) => !STAMPS.includes(name)));

describe('the rows that the app itself wrote', () => {
  test.each(seen.cases as Seen[])('$case', ({ case: name, params, rows }) => {
    const [toolName = ''] = name.split(':');
    const context = {
      userId: USER,
      stepId: 'run-0',
      nowMs: Date.parse('2026-11-28T11:20:00.000Z'),
      timeZone: 'UTC',
      spaceId: SPACE,
      records: RECORDS[name] ?? [],
    };
    const result = carryOut({ toolName, params }, context);
    if (!result.ok) throw new Error(result.problem);
    expect(result.did).toMatch(/\.$/);

    const theirs = rows.map(({ localTable, ...row }) => ({
      ...row,
      table: WIRE_NAMES[localTable] ?? localTable,
      data: withoutEditor(name, withoutStamps(row.data)),
    }));
    const ours = result.writes.map((write, index) => ({
      ...write,
      data: withoutEditor(name, withoutStamps(write.data)),
      index,
    }));
    // Updates of the app carry its arrays as well.
    const compared = ordered(theirs).map(({ row, data }) => {
      const mine = ordered(ours).find((one) => one.row === row)?.data ?? {};
      const isUpdate = row.endsWith('update');
      const kept = Object.entries(data).filter(
        ([field, value]) => !isUpdate || field in mine || !Array.isArray(value),
      );
      return { row, data: Object.fromEntries(kept) };
    });
    expect(comparable(ordered(ours), new Map())).toEqual(comparable(compared, new Map()));

    for (const row of rows) {
      const table = WIRE_NAMES[row.localTable] ?? row.localTable;
      const write = result.writes.find((one) => one.table === table && one.op === row.op);
      expect(sealedFields(write)).toEqual((row.encrypted ?? []).toSorted());
    }
  });

  test('what a step creates carries its dates, which are the stamps of its fields', () => {
    for (const { writes } of CREATED)
      for (const { op, data } of writes)
        if (op === 'insert') {
          expect(data['createdAt']).toMatch(INSTANT);
          expect(data['updatedAt']).toBe(data['createdAt']);
        }
  });
});

const CREATED = (seen.cases as Seen[]).map(({ case: name, params }) => {
  const [toolName = ''] = name.split(':');
  const records = RECORDS[name] ?? [];
  const result = carryOut(
    { toolName, params },
    { userId: USER, stepId: 's', nowMs: 0, timeZone: 'UTC', spaceId: null, records },
  );
  return { writes: result.ok ? result.writes : [] };
});

function sealedFields(write: Write | undefined): string[] {
  const encrypted = findTable(write?.appId ?? '', write?.table ?? '')?.encrypted ?? [];
  return encrypted.filter((name) => (write?.data[name] ?? null) !== null).toSorted();
}
