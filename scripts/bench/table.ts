/**
 * One figure beside what it must not exceed; `ok` is null where there is no limit or nothing was
 * measured.
 */
export type Line = { figure: string; value: string; limit: string; ok: boolean | null };

/** Rows under headings, columns as wide as their longest cell. */
export function formatTable(
  sections: readonly { title: string; lines: readonly Line[] }[],
): string {
  const all = sections.flatMap(({ lines }) => lines);
  const width = (cell: (line: Line) => string): number =>
    Math.max(0, ...all.map((line) => cell(line).length));
  const [figure, value, limit] = [
    width((line) => line.figure),
    width((line) => line.value),
    width((line) => line.limit),
  ];
  const row = (line: Line): string =>
    `  ${line.figure.padEnd(figure)}  ${line.value.padStart(value)}  ${line.limit.padEnd(limit)}  ${verdict(line.ok)}`.trimEnd();
  return sections.map(({ title, lines }) => [title, ...lines.map(row)].join('\n')).join('\n\n');
}

function verdict(ok: boolean | null): string {
  if (ok === null) return '';
  return ok ? 'ok' : 'OVER';
}

/** A figure with its greatest allowed value. */
export function upTo(figure: string, value: number, most: number, unit: string): Line {
  return {
    figure,
    value: `${round(value)} ${unit}`,
    limit: `at most ${round(most)} ${unit}`,
    ok: value <= most,
  };
}

/** A figure that has to be exactly so. */
export function exactly(figure: string, value: number, wanted: number): Line {
  return { figure, value: String(value), limit: `exactly ${wanted}`, ok: value === wanted };
}

/** A figure without a limit of its own. */
export function plain(figure: string, value: number | null, unit: string): Line {
  return {
    figure,
    value: value === null ? 'not measured' : `${round(value)} ${unit}`.trim(),
    limit: '',
    ok: null,
  };
}

function round(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toFixed(2)));
}
