// Runs in workerd as it stands, types stripped: the commits of a herd and nothing else, for what
// the disk alone would allow.
import { DurableObject } from 'cloudflare:workers';

type Env = { DESK: DurableObjectNamespace<Desk>; SEAT: DurableObjectNamespace<Seat> };

/** About what a checkpoint and a merged record of a bench mission take. */
const CHECKPOINT = 'c'.repeat(5_000);
const RECORD = 'r'.repeat(3_000);
const LINGER_MS = 100;

/** The Dispatcher's commits: one for each turn that ends. */
export class Desk extends DurableObject<Env> {
  #next = 0;
  #all = 0;
  #ended = 0;

  async start(all: number, atOnce: number): Promise<void> {
    this.ctx.storage.sql.exec(
      `create table if not exists agenda (user_id text primary key, due_ms integer, ready_ms integer)`,
    );
    this.ctx.storage.sql.exec(`create index if not exists agenda_ready on agenda (ready_ms)`);
    this.#all = all;
    await Promise.all(Array.from({ length: Math.min(all, atOnce) }, () => this.#admit()));
  }

  async release(name: string): Promise<void> {
    this.#ended += 1;
    this.ctx.storage.sql.exec(
      `insert or replace into agenda values (?, ?, ?)`,
      name,
      Date.now(),
      Date.now(),
    );
    await this.#admit();
  }

  async ended(): Promise<number> {
    return this.#ended;
  }

  async #admit(): Promise<void> {
    if (this.#next === this.#all) return;
    const name = `seat-${this.#next}`;
    this.#next += 1;
    await this.env.SEAT.getByName(name).poke(name);
  }
}

/**
 * A user's commits: an alarm, a checkpoint after each of two rounds, the merged record, and leaving
 * memory.
 */
export class Seat extends DurableObject<Env> {
  /** Not part of a run: the objects of users exist before their missions fall due. */
  async register(name: string): Promise<void> {
    const { sql } = this.ctx.storage;
    sql.exec(`create table if not exists meta (name text primary key, value text);
      create table if not exists runs (run_id text, part integer, body text, primary key (run_id, part));
      create table if not exists records (id text primary key, body text);
      create table if not exists due (mission_id text primary key, due_ms integer);`);
    sql.exec(`insert or replace into meta values ('name', ?)`, name);
    this.ctx.waitUntil(this.#letGo());
  }

  async poke(_name: string): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now());
  }

  override async alarm(): Promise<void> {
    const { sql } = this.ctx.storage;
    for (let round = 1; round <= 2; round += 1) {
      sql.exec(`insert or replace into runs values ('run', 0, ?)`, CHECKPOINT);
      await this.ctx.storage.sync();
    }
    sql.exec(`insert or replace into records values ('mission', ?)`, RECORD);
    sql.exec(`insert or replace into due values ('mission', ?)`, Date.now());
    sql.exec(`delete from runs`);
    await this.ctx.storage.deleteAlarm();
    const { value } = sql.exec<{ value: string }>(`select value from meta`).one();
    await this.env.DESK.getByName('desk').release(value);
    this.ctx.waitUntil(this.#letGo());
  }

  async #letGo(): Promise<void> {
    await this.ctx.storage.sync();
    await scheduler.wait(LINGER_MS);
    this.ctx.abort('done');
  }
}

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const count = Number(searchParams.get('count'));
    const desk = env.DESK.getByName('desk');
    if (pathname === '/register') {
      const names = Array.from(
        { length: count },
        (_, n) => `seat-${Number(searchParams.get('from')) + n}`,
      );
      await Promise.all(names.map((name) => env.SEAT.getByName(name).register(name)));
    } else if (pathname === '/start') await desk.start(count, Number(searchParams.get('atOnce')));
    return Response.json({ ended: await desk.ended() });
  },
} satisfies ExportedHandler<Env>;
