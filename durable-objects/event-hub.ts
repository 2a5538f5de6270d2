import { DurableObject } from 'cloudflare:workers';
import { callAgainOnReset } from './life/call-again.ts';
import type { HubPort, OpenedStream, RunnerEnv } from './bindings.ts';
import type { MissionEvents } from './projection/watched-changes.ts';

/**
 * A person has a few devices. The limits keep a client that leaks streams from taking everybody's
 * places: an idle stream costs about 155 KB with its request and buffers (measured with 1,000
 * streams).
 */
const MOST_STREAMS_OF_A_USER = 8;
const MOST_STREAMS = 256;

/** Proxies take a connection for dead that is silent for 60 s. */
const HEARTBEAT_MS = 25_000;

/** A stream ends after this time, so that its client comes back and its token is checked again. */
const LIFETIME_MS = 15 * 60_000;

/** After a read for a stream, the user's object tells the hub of changes for this long. */
const WATCH_MS = LIFETIME_MS + 60_000;

/**
 * If a slow reader leaves this many bytes unread, it gets no more until it has caught up, and then
 * the newest state.
 */
const MOST_UNREAD_BYTES = 256 * 1_024;

const ENCODER = new TextEncoder();
const HEARTBEAT = ': still here\n\n';

/** One open stream. `cursor` is the id of the last event sent. */
type Stream = {
  userId: string;
  cursor: string;
  openedMs: number;
  controller: ReadableByteStreamController;
  /** a read of changes is under way; `again`: the hub was told of more since it began */
  busy: boolean;
  again: boolean;
};

/**
 * All event streams of the process. A user's object (240 KB in memory) sleeps until something
 * changes, then calls `notify`, and is asked once what changed. The hub stores nothing: a client
 * resumes from its Last-Event-ID.
 */
export class EventHub extends DurableObject<RunnerEnv> implements HubPort {
  readonly #streams = new Map<string, Set<Stream>>();
  #count = 0;
  #beating = false;
  #draining = false;

  /** Opens a stream of a user's changes after `lastEventId` (null: from now on). */
  async open(userId: string, lastEventId: string | null): Promise<OpenedStream> {
    if (this.#draining) return { ok: false, reason: 'draining' };
    if (this.#count >= MOST_STREAMS) return { ok: false, reason: 'limit' };
    const ofUser = [...(this.#streams.get(userId) ?? [])];
    if (ofUser.length >= MOST_STREAMS_OF_A_USER) {
      // Only sending to a client shows that it is gone.
      for (const known of ofUser) this.#tick(known, Date.now());
      return { ok: false, reason: 'user-limit' };
    }
    let stream: Stream | undefined;
    const body = new ReadableStream(
      {
        // Only a stream of bytes can cross from one object to another.
        type: 'bytes',
        start: (controller: ReadableByteStreamController) => {
          stream = {
            userId,
            cursor: lastEventId ?? '',
            openedMs: Date.now(),
            controller,
            busy: false,
            again: false,
          };
          this.#add(stream);
        },
        pull: () => {
          // The reader has caught up, so it gets what was held back.
          if (stream?.again === true) void this.#send(stream);
        },
        cancel: () => {
          if (stream !== undefined) this.#remove(stream);
        },
      },
      { highWaterMark: MOST_UNREAD_BYTES },
    );
    if (stream !== undefined) await this.#send(stream);
    void this.#beat();
    return { ok: true, body };
  }

  /** Something of this user changed. */
  async notify(userId: string): Promise<void> {
    for (const stream of this.#streams.get(userId) ?? []) void this.#send(stream);
  }

  /** A person is to be forgotten: an open stream would have their object read the log again. */
  async forget(userId: string): Promise<void> {
    for (const stream of this.#streams.get(userId) ?? []) this.#end(stream);
  }

  /**
   * Ends all streams and opens no more: the process is about to stop, and waits for requests in
   * flight.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    for (const stream of this.#all()) this.#end(stream);
  }

  /** If the hub is told of changes during a read, one more read follows. */
  async #send(stream: Stream): Promise<void> {
    stream.again = true;
    if (stream.busy) return;
    stream.busy = true;
    try {
      while (stream.again && (stream.controller.desiredSize ?? 0) > 0) {
        stream.again = false;
        const { events, cursor, more } = await this.#changes(stream);
        stream.cursor = cursor;
        for (const event of events) stream.controller.enqueue(ENCODER.encode(event));
        stream.again ||= more;
      }
    } catch {
      // The reader is gone, or the object could not answer: the client comes back with its last id.
      this.#end(stream);
    } finally {
      stream.busy = false;
    }
  }

  async #changes({ userId, cursor }: Stream): Promise<MissionEvents> {
    const watchUntilMs = Date.now() + WATCH_MS;
    return callAgainOnReset(() =>
      this.env.USER_MISSIONS.getByName(userId).eventsAfter(cursor, watchUntilMs),
    );
  }

  /** Sends heartbeats as long as there are streams. */
  async #beat(): Promise<void> {
    if (this.#beating) return;
    this.#beating = true;
    while (this.#count > 0) {
      await scheduler.wait(HEARTBEAT_MS);
      for (const stream of this.#all()) this.#tick(stream, Date.now());
    }
    this.#beating = false;
  }

  #tick(stream: Stream, nowMs: number): void {
    if (nowMs - stream.openedMs >= LIFETIME_MS) return this.#end(stream);
    if ((stream.controller.desiredSize ?? 0) <= 0) return;
    try {
      // Encoded each time, because a byte stream takes the buffer for itself.
      stream.controller.enqueue(ENCODER.encode(HEARTBEAT));
    } catch {
      this.#remove(stream);
    }
  }

  #all(): Stream[] {
    return [...this.#streams.values()].flatMap((streams) => [...streams]);
  }

  #add(stream: Stream): void {
    const streams = this.#streams.get(stream.userId) ?? new Set();
    this.#streams.set(stream.userId, streams.add(stream));
    this.#count += 1;
  }

  #remove(stream: Stream): void {
    const streams = this.#streams.get(stream.userId);
    if (streams?.delete(stream) !== true) return;
    this.#count -= 1;
    if (streams.size === 0) this.#streams.delete(stream.userId);
  }

  #end(stream: Stream): void {
    this.#remove(stream);
    try {
      stream.controller.close();
    } catch {
      // Closed or cancelled already.
    }
  }
}
