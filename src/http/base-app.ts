import { Hono, type MiddlewareHandler } from 'hono';
import { drainedBodies } from './body.ts';
import { type ErrorCode, refuse } from './http-errors.ts';
import { requestIdOf, requestIds } from './request-id.ts';

/** What a thrown error is called in the log, and what it is answered with. */
export type Failure = { logged: string; code: ErrorCode; sentence: string };

export const INTERNAL_FAILURE: Failure = {
  logged: 'INTERNAL',
  code: 'INTERNAL',
  sentence: 'Something went wrong on the server.',
};

export type BaseAppOptions = {
  logger: { error(message: string, fields: Record<string, string>): void };
  /** which failure a thrown error is */
  failureOf: (thrown: unknown) => Failure;
  /** runs around everything but the naming of requests */
  around?: readonly MiddlewareHandler[];
};

/** What every app of ours does before and after its routes. */
export function createBaseApp({ logger, failureOf, around = [] }: BaseAppOptions): Hono {
  const app = new Hono();
  app.use(requestIds, ...around, drainedBodies, notStored);
  app.notFound((c) => refuse(c, 'NOT_FOUND', 'There is no such route.'));
  app.onError((thrown, c) => {
    // What was thrown may hold anything; its sentence stays out of the answer and of the log.
    const { logged, code, sentence } = failureOf(thrown);
    logger.error('a request failed', {
      code: logged,
      method: c.req.method,
      requestId: requestIdOf(c),
    });
    return refuse(c, code, sentence);
  });
  return app;
}

/** Answers everything with 503 and the name of the malformed variable. */
export function refuseConfig(app: Hono, refusal: { variable: string; message: string }): Hono {
  const sentence = `${refusal.variable} ${refusal.message}.`;
  app.all('*', (c) => refuse(c, 'CONFIG_INVALID', sentence));
  return app;
}

const notStored: MiddlewareHandler = async (c, next) => {
  await next();
  if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
};
