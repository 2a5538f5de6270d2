import { waitFor } from './runner.ts';

export type ServerEvent = { id: string; event: string; data: Record<string, unknown> };

export type EventReader = {
  events: ServerEvent[];
  /** whether the server has ended the stream */
  ended(): boolean;
  until(matches: (event: ServerEvent) => boolean, what: string): Promise<ServerEvent>;
  close(): Promise<void>;
};

/** Reads an event stream in the background until it is closed. */
export function readEvents(response: Response): EventReader {
  const events: ServerEvent[] = [];
  let ended = false;
  const reader = response.body!.getReader();
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value as Uint8Array, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      events.push(...blocks.flatMap(parseBlock));
    }
  };
  void read()
    .catch(() => undefined)
    .finally(() => {
      ended = true;
    });
  return {
    events,
    ended: () => ended,
    until: (matches, what) => waitFor(() => events.find(matches), what),
    close: async () => reader.cancel(),
  };
}

function parseBlock(block: string): ServerEvent[] {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
  if (field('data') === '') return [];
  return [
    {
      id: field('id'),
      event: field('event'),
      data: JSON.parse(field('data')) as Record<string, unknown>,
    },
  ];
}
