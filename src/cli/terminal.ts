import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';

export type Colour = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

/** What the commands need of the process around them. */
export type Terminal = {
  print(text: string): void;
  /** to stderr: it is not part of what was asked for */
  note(text: string): void;
  paint(colour: Colour, text: string): string;
  /** null if the input has ended, so that no answer will come */
  ask(question: string): Promise<string | null>;
  sleep(ms: number): Promise<void>;
};

/**
 * Text of a model, a record or a server as it may be shown: without control characters, which could
 * rewrite the screen or type commands, and without marks that turn the direction of text around.
 * Line breaks stay.
 */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]|\p{Bidi_Control}/gu, '�');
}

/**
 * Rows under headings, in columns as wide as their widest cell; the last one keeps its length.
 * Cells are painted after they are measured.
 */
export function table(
  terminal: Pick<Terminal, 'paint'>,
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  const texts = rows.map((row) => row.map((cell) => textOf(cell)));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => row[column]?.length ?? 0)),
  );
  const line = (
    cells: readonly string[],
    paint: (text: string, column: number) => string,
  ): string =>
    cells
      .map((cell, column) =>
        paint(column === headings.length - 1 ? cell : cell.padEnd(widths[column] ?? 0), column),
      )
      .join('  ')
      .trimEnd();
  const body = rows.map((row, index) =>
    line(texts[index] ?? [], (text, column) => {
      const cell = row[column];
      return typeof cell === 'object' ? terminal.paint(cell.colour, text) : text;
    }),
  );
  return [line(headings, (text) => terminal.paint('bold', text)), ...body].join('\n');
}

export type Cell = string | { text: string; colour: Colour };

function textOf(cell: Cell): string {
  return printable(typeof cell === 'string' ? cell : cell.text).replaceAll('\n', ' ');
}

/**
 * The real one. Colours only where stdout is a terminal that shows them, and not under NO_COLOR.
 */
export function processTerminal(): Terminal & { close(): void } {
  const lines: string[] = [];
  let waiting: ((line: string | null) => void) | undefined;
  let reader: ReturnType<typeof createInterface> | undefined;
  let ended = false;
  const open = (): void => {
    if (reader !== undefined) return;
    reader = createInterface({ input: process.stdin });
    reader.on('line', (line) => {
      if (waiting === undefined) lines.push(line);
      else waiting(line);
      waiting = undefined;
    });
    reader.on('close', () => {
      ended = true;
      waiting?.(null);
    });
  };
  return {
    print: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    paint: (colour, text) => styleText(colour, text, { stream: process.stdout }),
    ask: async (question) => {
      open();
      process.stderr.write(question);
      const line = lines.shift();
      if (line !== undefined) return line;
      return ended ? null : new Promise((resolve) => (waiting = resolve));
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    close: () => reader?.close(),
  };
}
