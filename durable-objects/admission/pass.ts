import type { TurnReport } from './turn-report.ts';

export type TurnCounts = {
  due: number;
  plansProduced: number;
  plansWrittenBack: number;
  parseFailures: number;
};

export type PassState =
  | { state: 'overlap' }
  | {
      state: 'running' | 'done';
      passId: string;
      turns: TurnCounts;
      open: number;
      errors: string[];
    };

/** One pass on demand: the users who were ready when it began, and what came of their turns. */
export class Pass {
  readonly id: string;
  readonly #startedMs: number;
  readonly #waiting: Set<string>;
  readonly #turns: TurnCounts = { due: 0, plansProduced: 0, plansWrittenBack: 0, parseFailures: 0 };
  readonly #errors: string[] = [];

  constructor(id: string, start: { nowMs: number; readyUsers: readonly string[] }) {
    this.id = id;
    this.#startedMs = start.nowMs;
    this.#waiting = new Set(start.readyUsers);
  }

  /** A user stays in the pass while a mission that was due at its start still has to run. */
  count(report: TurnReport): void {
    if (report.turn !== 'nothing-due') this.#turns.due += 1;
    this.#turns.plansProduced += report.plansProduced;
    this.#turns.plansWrittenBack += report.plansWrittenBack;
    this.#turns.parseFailures += report.parseFailures;
    if (report.error !== null) this.#errors.push(report.error);
    const dueAgain = report.nextDueMs !== null && report.nextDueMs <= this.#startedMs;
    if (!dueAgain) this.leave(report.userId);
  }

  leave(userId: string): void {
    this.#waiting.delete(userId);
  }

  /**
   * @param isBlocked an outage keeps everybody from a turn, so that waiting for the rest is useless
   */
  state(isBlocked: boolean): PassState {
    const open = isBlocked ? 0 : this.#waiting.size;
    return {
      state: open === 0 ? 'done' : 'running',
      passId: this.id,
      turns: this.#turns,
      open,
      errors: this.#errors,
    };
  }
}
