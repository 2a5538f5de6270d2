/** What comes of a step: what it does to the person's records, or to the world. */
export type Effect = 'create' | 'change' | 'delete' | 'publish' | 'spend';

/** A step's tool call; `params` opened. */
export type ToolCall = { toolName: string; params: Readonly<Record<string, unknown>> };

/** A record as `GET /api/v1/me/records` answers it, with its fields opened. */
export type ReadRecord = {
  appId: string;
  table: string;
  recordId: string;
  data: Readonly<Record<string, unknown>>;
  /** field -> ISO stamp of the write that it holds */
  stamps?: Readonly<Record<string, string>>;
  spaceId?: string | null;
  /** true: it is deleted, and is given because it was asked for with `deleted` */
  deleted?: boolean;
};

/** Records that must be read before a step can be carried out: one, or a whole table. */
export type Need = {
  appId: string;
  table: string;
  /** absent: all records of the table */
  recordId?: string;
  /** deleted records count too */
  deleted?: true;
};

/** One change row; `n`, its place in the list, is part of its id. */
export type Write = {
  appId: string;
  table: string;
  recordId: string;
  op: 'insert' | 'update' | 'delete';
  data: Record<string, unknown>;
  /** of an update or a delete: the stamps of the fields that the person saw */
  basis?: Record<string, string> | undefined;
};

/** Who carries out which step, when and where. */
export type CarryOutContext = {
  userId: string;
  stepId: string;
  /** milliseconds since the epoch */
  nowMs: number;
  /** IANA name of the person's zone */
  timeZone: string;
  /** the mission's space; null: the person's own */
  spaceId: string | null;
  /** the mission's agent */
  agentId?: string | null;
  /** what `needsOf` asked for; records that are not there are missing */
  records: readonly ReadRecord[];
};

/**
 * APP_ONLY: no row can carry it out. UNKNOWN_TOOL: we know no such tool. BAD_PARAMS: what the step
 * says does not fit. RECORD_MISSING: what it works on is gone. NOT_OPENED: what it builds on is
 * encrypted and was not opened. NOT_POSSIBLE: the records are not as the step supposes.
 */
export type CarryOutRefusal =
  'APP_ONLY' | 'UNKNOWN_TOOL' | 'BAD_PARAMS' | 'RECORD_MISSING' | 'NOT_OPENED' | 'NOT_POSSIBLE';

/**
 * `writes`: plaintext rows, still to be sealed; empty where everything is already as the step wants
 * it. `did`: a sentence.
 */
export type CarriedOut =
  | { ok: true; writes: Write[]; did: string }
  | { ok: false; code: CarryOutRefusal; problem: string };

/** Thrown inside the room; `carryOut` turns it into a refusal. */
export class CannotCarryOut extends Error {
  override name = 'CannotCarryOut';
  readonly code: CarryOutRefusal;

  constructor(code: CarryOutRefusal, problem: string) {
    super(problem);
    this.code = code;
  }
}
