import { z } from 'zod';

const component = z.object({
  ok: z.boolean(),
  since: z.string().optional().describe('since when it is as it is'),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

/** The answer of GET /health; what is not known is null. */
export const healthAnswer = z
  .object({
    status: z.enum(['ok', 'degraded']),
    postgres: component,
    llm: component.extend({
      locality: z.enum(['local', 'remote']),
      tools: z
        .enum(['native', 'text', 'none'])
        .optional()
        .describe('how the model calls tools, once that is known'),
    }),
    tick: z.object({
      enabled: z.boolean(),
      lastTickAt: z.string().nullable(),
      queued: z.int().nullable(),
      running: z.int().nullable(),
    }),
    workerd: z
      .string()
      .nullable()
      .describe('which workerd runs: the rules of time zones come with it; null elsewhere'),
    notices: z
      .array(z.object({ code: z.string(), message: z.string(), since: z.string() }))
      .describe('what an operator should know besides, each with what to do'),
  })
  .meta({ id: 'Health' });
