import { describe, expect, it } from 'vitest';
import { CATALOG } from '../../../src/planner/tools/index.ts';
import { jsonSchemaOf } from '../../../src/planner/tools/tool.ts';
import facts from './tool-catalog.json' with { type: 'json' };

type Property = { type?: string; enum?: string[] };
type Schema = {
  type: string;
  properties: Record<string, Property>;
  required?: string[];
  additionalProperties: unknown;
};
type Parameter = { name: string; type: string; required: boolean; enum?: string[] };

/** The parameters of a tool in the form of the facts. */
function parametersOf(schema: Schema): Parameter[] {
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    type: property.type ?? 'none',
    required: schema.required?.includes(name) ?? false,
    ...(property.enum === undefined ? {} : { enum: property.enum }),
  }));
}

/** Params with a value for each parameter, or for the required ones only. */
function sampleParams(
  parameters: readonly Parameter[],
  which: 'all' | 'required',
): Record<string, unknown> {
  const samples: Record<string, unknown> = {
    number: 3,
    boolean: true,
    array: [{}],
    object: { a: 1 },
  };
  const wanted = parameters.filter(({ required }) => which === 'all' || required);
  return Object.fromEntries(
    wanted.map(({ name, type, enum: words }) => [
      name,
      words?.[0] ?? samples[type] ?? `some ${name}`,
    ]),
  );
}

describe('the catalog', () => {
  it('holds the proposing tools of the app: names, modules, order', () => {
    expect(CATALOG.map(({ name, module }) => ({ name, module }))).toEqual(
      facts.tools.map(({ name, module }) => ({ name, module })),
    );
    expect(CATALOG).toHaveLength(62);
  });

  it.each(facts.tools)(
    '$name has the parameters, types, enums and required fields of the app',
    ({ name, parameters }) => {
      const tool = CATALOG.find((candidate) => candidate.name === name);
      const schema = jsonSchemaOf(tool!) as Schema;
      expect(parametersOf(schema)).toEqual(parameters);
      expect(schema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(schema).not.toHaveProperty('$schema');
    },
  );

  it.each(CATALOG)('$name keeps the rules for names, descriptions and summaries', (tool) => {
    expect(tool.name).toMatch(/^[a-z0-9_]{1,64}$/);
    expect(tool.description.length).toBeGreaterThan(20);
    expect(tool.words.join()).toBe(tool.words.join().toLowerCase());
    const { parameters } = facts.tools.find(({ name }) => name === tool.name)!;
    for (const which of ['all', 'required'] as const) {
      const params = sampleParams(parameters, which);
      expect(tool.parameters.safeParse(params)).toEqual({ success: true, data: params });
      const summary = tool.summarise(params);
      expect(summary).toMatch(/^[A-Z]/);
      expect(summary).not.toContain(tool.name);
      expect(summary).not.toMatch(/undefined|null|\[object/);
    }
  });

  it('summarises a task for people', () => {
    const createTask = CATALOG.find(({ name }) => name === 'create_task')!;
    expect(createTask.summarise({ title: 'Buy milk', dueDate: '2027-01-02' })).toBe(
      "Create task 'Buy milk', due Saturday, 2 January 2027",
    );
  });

  it('caps summaries and takes out what could deceive a reader', () => {
    const createTask = CATALOG.find(({ name }) => name === 'create_task')!;
    const summary = createTask.summarise({
      title: `a\u202eb\u0000c\n\nd${'🙂'.repeat(500)}`,
      dueDate: 'x'.repeat(5000),
    });
    expect(summary.length).toBeLessThanOrEqual(300);
    expect(summary.isWellFormed()).toBe(true);
    expect(summary).toMatch(/^Create task 'abc d/);
  });
});
