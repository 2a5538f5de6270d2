import { carriedRowId, type Write } from '../../src/carry-out/index.ts';
import type { Database } from '../../src/postgres/port.ts';
import { NO_FACTS, type ReviewCommand, type ReviewFacts } from '../../src/sync/device-review.ts';
import { selectKnowsSpace, selectStandingRows } from '../../src/sync/record-queries.ts';
import { LogReader } from './log-reader.ts';
import { PersonRecords } from './person-records.ts';

/** Reads what the log says now of all that a review writes to. */
export class ReviewFactReader {
  readonly #userId: string;
  readonly #log: LogReader;
  readonly #records: PersonRecords;
  readonly #openStatus: ReviewFacts['openStatus'];

  constructor(options: {
    userId: string;
    database: Database;
    openStatus: ReviewFacts['openStatus'];
  }) {
    this.#userId = options.userId;
    this.#log = new LogReader(options);
    this.#records = new PersonRecords(options);
    this.#openStatus = options.openStatus;
  }

  /** @throws PostgresError */
  async read({ decisions }: ReviewCommand): Promise<ReviewFacts> {
    const writes = decisions.flatMap((decision) => decision.writes ?? []);
    if (writes.length === 0) return { ...NO_FACTS, openStatus: this.#openStatus };
    const rowIds = decisions.flatMap(({ stepId, writes: rows = [] }) =>
      rows.map((_, n) => carriedRowId(this.#userId, stepId, n)),
    );
    const [standing, records, sealing, spaces] = await Promise.all([
      this.#log.query(selectStandingRows(this.#userId, rowIds)),
      this.#records.states(writes),
      this.#records.sealing(),
      this.#knownSpaces(writes),
    ]);
    const standingIds = new Set(standing.map((row) => row['id'] ?? ''));
    return { openStatus: this.#openStatus, sealing, records, standing: standingIds, spaces };
  }

  async #knownSpaces(writes: readonly Write[]): Promise<Set<string>> {
    const named = writes
      .map(({ data }) => data['spaceId'])
      .filter((space) => typeof space === 'string');
    const known = new Set<string>();
    for (const space of new Set(named)) {
      const [row] = await this.#log.query(selectKnowsSpace(this.#userId, space));
      if (row?.['known'] === 'true') known.add(space);
    }
    return known;
  }
}
