import pino from 'pino';
import type { Pseudonym } from './pseudonym.ts';

/**
 * All that a log line may say beside its sentence: nothing of people's content and no ids of people
 * or records.
 */
export type LogFields = {
  code?: string;
  requestId?: string;
  runId?: string;
  durationMs?: number;
  count?: number;
  method?: string;
  /** The route's pattern, never the path as it came. */
  path?: string;
  status?: number;
  kind?: string;
  /** Never the id itself: see pseudonym(). */
  user?: Pseudonym;
};

export type Logger = {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
};

const FIELD_NAMES = [
  'code',
  'requestId',
  'runId',
  'durationMs',
  'count',
  'method',
  'path',
  'status',
  'kind',
  'user',
] as const;

/**
 * Node takes pino's own stream; bundles for workerd take its browser build, which has none and
 * writes through `browser.write`.
 */
const root = pino({
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (level) => ({ level }) },
  browser: {
    asObject: true,
    formatters: { level: (level) => ({ level }) },
    write: (line) => console.log(JSON.stringify(line)),
  },
});

/**
 * A logger that prints one line of JSON per event: time, level, component, message and the given
 * fields.
 */
export function createLogger({ component }: { component: string }): Logger {
  const line = (fields: LogFields = {}) => ({ component, ...known(fields) });
  return {
    info: (message, fields) => root.info(line(fields), message),
    warn: (message, fields) => root.warn(line(fields), message),
    error: (message, fields) => root.error(line(fields), message),
  };
}

/** Types are gone at run time, so what is not in the closed set is dropped here again. */
function known(fields: LogFields): LogFields {
  return Object.fromEntries(
    FIELD_NAMES.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]),
  );
}
