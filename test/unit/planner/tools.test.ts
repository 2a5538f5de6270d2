import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CATALOG } from '../../../src/planner/tools/index.ts';
import { MAX_TEXT, quote, type Tool } from '../../../src/planner/tools/tool.ts';
import facts from './tool-catalog.json' with { type: 'json' };

type Parameter = { name: string; type: string; required: boolean; enum?: string[] };

const CASES = facts.tools.map(({ name, parameters }) => ({
  name,
  tool: toolNamed(name),
  parameters: parameters as Parameter[],
}));

function toolNamed(name: string): Tool {
  const tool = CATALOG.find((candidate) => candidate.name === name);
  if (tool === undefined) throw new Error(`The catalog has no ${name}`);
  return tool;
}

/** Any text: lone surrogates, controls, line ends, and now and then as long as a parameter may be. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 })
    .map((units) => String.fromCharCode(...units)),
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .map((text) => text.repeat(2000).slice(0, MAX_TEXT)),
  fc.constantFrom(
    '🙂'.repeat(MAX_TEXT / 2),
    `${' '.repeat(900)}x`,
    'a\r\nb\u2028c\u2029d',
    '\u200b\u202e',
  ),
);

function valueOf({ type, required, enum: words }: Parameter): fc.Arbitrary<unknown> {
  if (words !== undefined) return fc.constantFrom(...words);
  switch (type) {
    case 'string':
      return required ? anyText.filter((text) => text.trim() !== '') : anyText;
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 3 });
    case 'object':
      return fc.dictionary(anyText, fc.jsonValue(), { maxKeys: 4 });
    default:
      throw new Error(`No values for the type ${type}`);
  }
}

/** Valid params of a tool: every required parameter, any choice of the others. */
function paramsOf(parameters: readonly Parameter[]): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    Object.fromEntries(parameters.map((parameter) => [parameter.name, valueOf(parameter)])),
    {
      requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name),
      noNullPrototype: true,
    },
  );
}

/** The plainest params that a tool accepts, with every parameter. */
function plainParams(parameters: readonly Parameter[]): Record<string, unknown> {
  const plain: Record<string, unknown> = {
    string: 'x',
    number: 1,
    boolean: true,
    array: [{}],
    object: { a: 1 },
  };
  return Object.fromEntries(
    parameters.map(({ name, type, enum: words }) => [name, words?.[0] ?? plain[type]]),
  );
}

describe.each(CASES)('$name', ({ name, tool, parameters }) => {
  const plain = plainParams(parameters);
  const accepts = (change: Record<string, unknown>) =>
    tool.parameters.safeParse({ ...plain, ...change }).success;
  const texts = parameters.filter(
    ({ type, enum: words }) => type === 'string' && words === undefined,
  );

  it('says what it does in one well-formed line of fewer than 200 characters, whatever the valid params', () => {
    fc.assert(
      fc.property(paramsOf(parameters), (params) => {
        expect(tool.parameters.safeParse(params).success).toBe(true);
        const summary = tool.summarise(params);
        expect(summary.trim()).not.toBe('');
        expect(summary).not.toMatch(/[\n\r\u2028\u2029]/);
        expect(summary.length).toBeLessThan(200);
        expect(summary.isWellFormed()).toBe(true);
        expect(summary).not.toBe(`Use ${name}`);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses parameters it does not know and params without a required one', () => {
    expect(accepts({})).toBe(true);
    expect(accepts({ unheardOf: 1 })).toBe(false);
    for (const parameter of parameters)
      expect([parameter.name, accepts({ [parameter.name]: undefined })]).toEqual([
        parameter.name,
        !parameter.required,
      ]);
  });

  it('takes texts of up to 20,000 characters, blank ones only where they may be left out', () => {
    for (const { name: text, required } of texts) {
      expect(accepts({ [text]: 'x'.repeat(20_000) })).toBe(true);
      expect(accepts({ [text]: 'x'.repeat(20_001) })).toBe(false);
      expect(accepts({ [text]: ' \n' })).toBe(!required);
    }
  });

  it('takes finite numbers, the words of its enums and nothing of another type', () => {
    for (const { name: parameter, type, enum: words } of parameters) {
      expect(accepts({ [parameter]: type === 'number' ? '1' : 1 })).toBe(false);
      expect(accepts({ [parameter]: null })).toBe(false);
      if (type === 'number')
        expect(accepts({ [parameter]: Infinity }) || accepts({ [parameter]: NaN })).toBe(false);
      if (words !== undefined) expect(accepts({ [parameter]: 'no such word' })).toBe(false);
    }
  });
});

describe('summaries', () => {
  it('name what a change of a note replaces', () => {
    const { summarise } = toolNamed('update_note');
    expect(summarise({ noteId: 'n1', title: 'Plan' })).toBe(
      "Change the title of note 'n1', titled Plan",
    );
    expect(summarise({ noteId: 'n1', content: 'x' })).toBe("Change the content of note 'n1'");
    expect(summarise({ noteId: 'n1', title: 'Plan', content: 'x' })).toBe(
      "Change title and content of note 'n1', titled Plan",
    );
    expect(summarise({ noteId: 'n1' })).toBe("Change nothing of note 'n1'");
  });

  it('name a goal by its title, else by its template', () => {
    const { summarise } = toolNamed('create_goal');
    expect(summarise({ title: 'Run', templateId: 't1', targetValue: 3, period: 'week' })).toBe(
      "Create goal 'Run', at least 3 per week",
    );
    expect(summarise({ title: ' ', templateId: 't1' })).toBe("Create goal from template 't1'");
    expect(summarise({})).toBe('Create goal without a title');
  });

  it('quote at most 80 characters and never half a surrogate pair', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(quote(text).length).toBeLessThanOrEqual(82);
        expect(quote(text).isWellFormed()).toBe(true);
      }),
    );
  });
});
