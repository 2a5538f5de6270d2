import { z } from 'zod';
import { AUDIT_KINDS, AUDIT_STATUSES, type AuditHead, type AuditRow } from './row.ts';

/** The pages of GET /api/v1/me/ai-audit, put together. */
export type AuditExport = {
  /** null if no page says whose audit it is */
  userId: string | null;
  rows: AuditRow[];
  heads: AuditHead[];
  /**
   * the `after` of the page that should have been fetched next; null if the export goes to the end
   */
  missingAfter: number | null;
};

/** The file is no export of an audit. The message says what is wrong where. */
export class AuditExportError extends Error {
  override name = 'AuditExportError';
  readonly code = 'AUDIT_EXPORT_UNREADABLE';
}

const name = z.string().nullable();
const seq = z.int().min(1);
const rowSchema = z.object({
  seq,
  kind: z.enum(AUDIT_KINDS),
  missionId: name,
  iterationId: name,
  tableName: name,
  recordId: name,
  status: z.enum(AUDIT_STATUSES),
  reason: name,
  ts: z.string(),
  prevHash: z.string(),
  hash: z.string(),
});
const pageSchema = z.object({
  userId: z.string().optional(),
  rows: z.array(rowSchema),
  head: z.object({ seq: z.int().min(0), hash: z.string() }).optional(),
  next: seq.optional(),
});

/**
 * Reads exports in any of these forms: a page as the API answers it, an array of pages, an array of
 * rows, or one page on each line.
 * @throws AuditExportError
 */
export function parseExport(texts: readonly string[]): AuditExport {
  const pages = texts.flatMap(documentsOf).flatMap((document) => pagesOf(document));
  const users = new Set(pages.flatMap(({ userId }) => userId ?? []));
  if (users.size > 1) throw new AuditExportError('the pages belong to different users');
  const rows = pages.flatMap((page) => page.rows);
  const newest = rows.reduce((most, row) => Math.max(most, row.seq), 0);
  const furthest = Math.max(0, ...pages.map(({ next }) => next ?? 0));
  return {
    userId: [...users][0] ?? null,
    rows,
    heads: pages.flatMap(({ head }) => head ?? []),
    missingAfter: furthest > 0 && newest <= furthest ? furthest : null,
  };
}

type Page = z.infer<typeof pageSchema>;

function documentsOf(text: string): unknown[] {
  try {
    return [JSON.parse(text) as unknown];
  } catch {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line, index) => parsedLine(line, index + 1));
  }
}

function parsedLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw new AuditExportError(`this is no JSON, neither as a whole nor in line ${number}`);
  }
}

function pagesOf(document: unknown): Page[] {
  if (!Array.isArray(document)) return [checked(pageSchema, document, 'the page')];
  const items: unknown[] = document;
  const isPages =
    items.length > 0 &&
    items.every((item) => typeof item === 'object' && item !== null && 'rows' in item);
  if (isPages) return items.map((item, index) => checked(pageSchema, item, `page ${index + 1}`));
  return [{ rows: items.map((item, index) => checked(rowSchema, item, `entry ${index + 1}`)) }];
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') ?? '';
  throw new AuditExportError(
    `${what} is no part of an audit: ${path === '' ? 'it' : path} ${issue?.message ?? ''}`,
  );
}
