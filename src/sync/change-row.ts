/** A row of sync_changes as the merge sees it. `createdAt` is RFC 3339 in UTC with six digits of fraction. */
export type ChangeRow = {
  id: string;
  tableName: string;
  recordId: string;
  op: 'insert' | 'update' | 'delete';
  data: unknown;
  fieldMeta: unknown;
  clientId: string;
  createdAt: string;
  schemaVersion: number;
  spaceId: string | null;
};

/** Who wrote a row (facts: records, "Actor on a change row"). */
export type Actor =
  | { kind: 'ai'; principalId: string; displayName: string; missionId: string; iterationId: string; rationale: string }
  | { kind: 'system'; principalId: 'system:mission-runner'; displayName: 'Mission-Runner' };

/** A row that the runner appends. Stamps are plain text: mana-sync reads field_meta as a map of text to text. */
export type NewChangeRow = {
  id: string;
  appId: 'ai';
  tableName: 'aiMissions';
  recordId: string;
  userId: string;
  op: 'update';
  data: Record<string, unknown>;
  fieldMeta: Record<string, string>;
  clientId: typeof RUNNER_CLIENT_ID;
  actor: Actor;
  origin: 'agent' | 'system';
  spaceId: string | null;
};

export const RUNNER_CLIENT_ID = 'mana-ai-runner';

type TextRow = Readonly<Record<string, string | null>>;

/**
 * Reads a row whose columns are Postgres' own text (src/sync/queries.ts selects them so).
 * JSON columns that cannot be read count as absent; the log's own constraints rule out the rest.
 */
export function parseChangeRow(row: TextRow): ChangeRow {
  return {
    id: row['id'] ?? '',
    tableName: row['table_name'] ?? '',
    recordId: row['record_id'] ?? '',
    op: readOp(row['op']),
    data: readJson(row['data']),
    fieldMeta: readJson(row['field_meta']),
    clientId: row['client_id'] ?? '',
    createdAt: row['created_at'] ?? '',
    schemaVersion: Number(row['schema_version'] ?? 1),
    spaceId: row['space_id'] ?? null,
  };
}

function readOp(op: string | null | undefined): ChangeRow['op'] {
  return op === 'insert' || op === 'delete' ? op : 'update';
}

function readJson(text: string | null | undefined): unknown {
  if (text === null || text === undefined) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
