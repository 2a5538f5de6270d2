/**
 * A table of the app, by its name in the sync log. `encrypted`: the fields that the app encrypts
 * where they hold a value. `userLevel`: its records belong to the person, not to a space.
 */
export type Table = {
  appId: string;
  table: string;
  encrypted: readonly string[];
  userLevel?: true;
};

/**
 * One kind of row that a tool may write. `id`: the literal id, or how it begins; absent: derived
 * from the step.
 */
export type RowRule<Field extends string = string> = {
  table: Table;
  op: 'insert' | 'update' | 'delete';
  fields: readonly Field[];
  id?: { is: string } | { startsWith: string };
  /** an object that stands is changed by its parts, `field.part` */
  byParts?: true;
};

/**
 * A row that makes a record with these fields, and with those that every record of the table has.
 */
export function creates<const Field extends string>(
  table: Table,
  fields: readonly Field[],
  id?: RowRule['id'],
): RowRule<Field> {
  return { table, op: 'insert', fields, ...(id === undefined ? {} : { id }) };
}

/** A row that changes some of these fields. */
export function changes<const Field extends string>(
  table: Table,
  fields: readonly Field[],
): RowRule<Field> {
  return { table, op: 'update', fields };
}

/** A row that deletes a record, as devices write it. */
export function deletes(table: Table): RowRule<'deletedAt'> {
  return { table, op: 'delete', fields: ['deletedAt'] };
}

/** `encrypted`: lines of names. */
const table = (appId: string, name: string, ...encrypted: string[]): Table => ({
  appId,
  table: name,
  encrypted: encrypted.flatMap((line) => line.split(' ')),
});

export const AGENTS = table('ai', 'agents', 'systemPrompt', 'memory');
export const ARTICLES = table(
  'articles',
  'articles',
  'title excerpt content htmlContent author userNote',
);
export const HIGHLIGHTS = table('articles', 'highlights', 'text note contextBefore contextAfter');
export const SIGNS = table(
  'augur',
  'augurEntries',
  'source claim feltMeaning expectedOutcome outcomeNote tags',
  'livingOracleSnapshot',
);
export const CAMPAIGNS = table(
  'broadcasts',
  'broadcastCampaigns',
  'name subject preheader fromName fromEmail replyTo content audience',
);
export const BROADCAST_SETTINGS: Table = {
  ...table(
    'broadcasts',
    'broadcastSettings',
    'defaultFromName defaultFromEmail defaultReplyTo defaultFooter legalAddress',
  ),
  userLevel: true,
};
export const CALENDARS = table('calendar', 'calendars');
export const EVENTS = table('calendar', 'events', 'title', 'description', 'location');
export const TIME_BLOCKS = table('timeblocks', 'timeBlocks', 'title', 'description');
export const CHARACTERS = table('comic', 'comicCharacters', 'name description addPrompt tags');
export const STORIES = table(
  'comic',
  'comicStories',
  'title description storyContext tags panelMeta',
);
export const ME_IMAGES = table('profile', 'meImages');
export const CONTACTS = table(
  'contacts',
  'contacts',
  'firstName lastName email phone mobile birthday street city',
  'postalCode country notes website linkedin twitter instagram github',
);
export const DRINKS = table('drink', 'drinkEntries', 'name', 'note');
export const TRANSACTIONS = table('finance', 'transactions', 'description', 'note');
export const HABITS = table('habits', 'habits');
export const HABIT_LOGS = table('habits', 'habitLogs');
export const INVOICES = table('invoices', 'invoices', 'clientSnapshot subject notes terms lines');
export const INVOICE_SETTINGS: Table = {
  ...table(
    'invoices',
    'invoiceSettings',
    'senderName senderAddress senderStreet senderZip senderCity senderCountry',
    'senderEmail senderVatNumber senderIban senderBic footer defaultTerms',
  ),
  userLevel: true,
};
export const JOURNAL = table('journal', 'journalEntries', 'title', 'content');
export const LASTS = table(
  'lasts',
  'lasts',
  'title meaning note whatIKnewThen whatIKnowNow reclaimedNote sharedWith',
);
export const LIBRARY = table(
  'library',
  'libraryEntries',
  'title originalTitle creators review tags',
);
export const MOODS = table('mood', 'moodEntries', 'withWhom', 'notes');
export const NOTES = table('notes', 'notes', 'title', 'content');
export const PLACES = table('places', 'places', 'name', 'description', 'address');
export const QUIZZES = table('quiz', 'quizzes', 'title', 'description', 'category', 'tags');
export const QUESTIONS = table('quiz', 'questions', 'questionText', 'explanation', 'options');
export const TASKS = table('todo', 'tasks', 'title', 'description', 'subtasks', 'metadata');
export const WEBSITES = table('website', 'websites');
export const WEBSITE_PAGES = table('website', 'websitePages');
export const WEBSITE_BLOCKS = table('website', 'websiteBlocks');
export const DRAFTS = table('writing', 'writingDrafts', 'title briefing styleOverrides references');
export const DRAFT_VERSIONS = table('writing', 'writingDraftVersions', 'content', 'summary');

/** Every table that is read or written here. */
export const TABLES: readonly Table[] = [
  AGENTS,
  ARTICLES,
  HIGHLIGHTS,
  SIGNS,
  CAMPAIGNS,
  BROADCAST_SETTINGS,
  CALENDARS,
  EVENTS,
  TIME_BLOCKS,
  CHARACTERS,
  STORIES,
  ME_IMAGES,
  CONTACTS,
  DRINKS,
  TRANSACTIONS,
  HABITS,
  HABIT_LOGS,
  INVOICES,
  INVOICE_SETTINGS,
  JOURNAL,
  LASTS,
  LIBRARY,
  MOODS,
  NOTES,
  PLACES,
  QUIZZES,
  QUESTIONS,
  TASKS,
  WEBSITES,
  WEBSITE_PAGES,
  WEBSITE_BLOCKS,
  DRAFTS,
  DRAFT_VERSIONS,
];

/** The table of that name in the log, if it is one of those that are known here. */
export function findTable(appId: string, name: string): Table | null {
  return TABLES.find((known) => known.appId === appId && known.table === name) ?? null;
}
