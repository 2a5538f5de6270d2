import { isPassedOn, probeModel, type ToolAbility } from '../../src/model/probe.ts';
import { createLogger } from '../../src/telemetry/logs.ts';
import type { LlmSettings } from '../settings.ts';
import { type StorageSteps, takeSteps } from '../life/storage-steps.ts';

/**
 * What is known of the configured model. `passedOn`: a local server hands its prompts to another
 * host.
 */
export type ModelFacts = { tools: ToolAbility | null; passedOn: boolean };

type Stored = ModelFacts & { model: string; isOllama: boolean; askedMs: number };

/** The questions that a server is asked. */
type Questions = { probeModel: typeof probeModel; isPassedOn: typeof isPassedOn };

/**
 * If a remote model could not be judged, it is asked again after this time, because every question
 * costs money.
 */
const ASK_REMOTE_AGAIN_MS = 24 * 3_600_000;

const OLLAMA_PORT = '11434';

const TABLES: StorageSteps = {
  store: 'model-facts',
  steps: [
    `create table if not exists model_facts (
      one integer primary key check (one = 1), model text not null, tools text,
      ollama integer not null, passed_on integer not null, asked_ms integer not null
    );`,
  ],
};

/**
 * What the configured model can do, kept in the Dispatcher's storage. The model is asked at most
 * once a start, and not at all if the answer for this URL and model is known; every run teaches
 * more. If nothing is known, everything goes on: a bad model keeps no process from starting.
 */
export class ModelProbe {
  readonly #sql: SqlStorage;
  readonly #settings: LlmSettings;
  readonly #server: Questions;
  readonly #abort = new AbortController();
  readonly #log = createLogger({ component: 'model-probe' });
  #asked = false;
  /** as stored; kept here because each run asks, and nobody else writes it */
  #known: Stored | undefined;
  #whoServes: Promise<void> | undefined;

  constructor(
    sql: SqlStorage,
    settings: LlmSettings,
    server: Questions = { probeModel, isPassedOn },
  ) {
    this.#server = server;
    this.#sql = sql;
    this.#settings = settings;
    takeSteps(sql, TABLES);
  }

  facts(): ModelFacts {
    const { tools, passedOn } = this.#stored();
    return { tools, passedOn };
  }

  /**
   * Notes what a run has shown. A model that once made native calls counts as able to, even if it
   * writes calls as text later.
   */
  learn(tools: 'native' | 'text'): void {
    const stored = this.#stored();
    if (stored.tools !== 'native' && stored.tools !== tools) this.#store({ ...stored, tools });
  }

  /** Ends a question under way, so that a process that stops need not wait for it. */
  stop(): void {
    this.#abort.abort();
  }

  /**
   * Asks the model if that is needed. Never throws, and may take as long as a cold model needs to
   * load.
   */
  async ask(nowMs: number): Promise<void> {
    if (this.#asked || this.#settings.baseUrl === '') return;
    this.#asked = true;
    await this.whoServes();
    if (!this.#isWorthAsking(nowMs)) return;
    // Stored first, so that a process that crashes again and again does not pay each time.
    this.#store({ ...this.#stored(), askedMs: nowMs });
    const result = await this.#server.probeModel({ ...this.#settings, signal: this.#abort.signal });
    if (!result.ok) {
      this.#log.warn('the language model could not be probed', { code: result.error.code });
      return;
    }
    this.#log.info('the language model was probed', { kind: result.tools });
    const stored = this.#stored();
    this.#store({ ...stored, tools: result.tools, isOllama: result.isOllama });
    if (result.isOllama && !stored.isOllama) await this.#askWhoServes();
  }

  /**
   * Ends once it is known whether the model is passed on, after 5 s at most; at once if no server
   * can tell.
   */
  whoServes(): Promise<void> {
    this.#whoServes ??= this.#askWhoServes();
    return this.#whoServes;
  }

  async #askWhoServes(): Promise<void> {
    if (this.#settings.locality !== 'local' || this.#settings.baseUrl === '') return;
    if (!this.#stored().isOllama && new URL(this.#settings.baseUrl).port !== OLLAMA_PORT) return;
    const passedOn = await this.#server.isPassedOn(this.#settings);
    const stored = this.#stored();
    if (passedOn !== stored.passedOn) this.#store({ ...stored, passedOn });
  }

  #isWorthAsking(nowMs: number): boolean {
    const { tools, passedOn, askedMs } = this.#stored();
    if (tools === 'native' || tools === 'text') return false;
    const free = this.#settings.locality === 'local' && !passedOn;
    return free || nowMs - askedMs >= ASK_REMOTE_AGAIN_MS;
  }

  #stored(): Stored {
    this.#known ??= this.#read();
    return this.#known;
  }

  /** Facts that were stored of another model do not count. */
  #read(): Stored {
    const model = `${this.#settings.baseUrl} ${this.#settings.model}`;
    const [row] = this.#sql
      .exec<{ tools: ToolAbility | null; ollama: number; passed_on: number; asked_ms: number }>(
        `select tools, ollama, passed_on, asked_ms from model_facts where model = ?`,
        model,
      )
      .toArray();
    if (row === undefined)
      return { model, tools: null, isOllama: false, passedOn: false, askedMs: 0 };
    const { tools, ollama, passed_on: passedOn, asked_ms: askedMs } = row;
    return { model, tools, isOllama: ollama === 1, passedOn: passedOn === 1, askedMs };
  }

  #store(facts: Stored): void {
    this.#known = facts;
    const { model, tools, isOllama, passedOn, askedMs } = facts;
    this.#sql.exec(
      `insert or replace into model_facts (one, model, tools, ollama, passed_on, asked_ms) values (1, ?, ?, ?, ?, ?)`,
      model,
      tools,
      Number(isOllama),
      Number(passedOn),
      askedMs,
    );
  }
}
