import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLiteral } from '../../../src/model/literal.ts';
import { readTextCalls } from '../../../src/model/text-calls.ts';
import { readAnswer } from '../../../src/model/answer.ts';
import { foreignMarkup } from '../../../src/planner/markup.ts';
import { applyAnswer, planSteps, planSummary, startPlan } from '../../../src/planner/plan.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

const TASK = '{"name":"create_task","arguments":{"title":"Buy milk"}}';
const NOTE = '{"name":"create_note","arguments":{"content":"a \\"quoted\\" line\\nand another"}}';

function namesIn(content: string): string[] {
  return readTextCalls(content, CATALOG).calls.map(({ name }) => name);
}

describe('calls in a text', () => {
  it.each([
    ['several tags', `<tool_call>${TASK}</tool_call>\n<tool_call>${NOTE}</tool_call>`],
    ['one tag with several values', `<tool_call>${TASK}\n${NOTE}</tool_call>`],
    ['a list', `[${TASK},${NOTE}]`],
    ['lines', `${TASK}\n${NOTE}`],
    [
      'Python calls',
      "[create_task(title=\"Buy milk\", dueDate=None), create_note(content='it\\'s here')]",
    ],
  ])('are read in their order from %s', (_form, content) => {
    expect(namesIn(content)).toEqual(['create_task', 'create_note']);
  });

  it.each([
    ['Llama', `<function=create_task>{"title": "Buy milk"}</function>`],
    ['Phi', `<|tool_call|>[${TASK}]<|/tool_call|>`],
    ['Phi, older', `functools[${TASK}]`],
    ['Gemma', '```tool_code\ncreate_task(title="Buy milk")\n```'],
  ])('are read as %s writes them', (_model, content) => {
    const { calls, rest, attempted } = readTextCalls(content, CATALOG);
    expect(calls.map((call) => [call.name, JSON.parse(call.arguments)])).toEqual([
      ['create_task', { title: 'Buy milk' }],
    ]);
    expect({ rest, attempted }).toEqual({ rest: '', attempted: 0 });
  });

  it('leave the words around them as the text', () => {
    const { rest, calls } = readTextCalls(`I will add a task.\n${TASK}\nThat is all.`, CATALOG);
    expect(calls).toHaveLength(1);
    expect(rest).toBe('I will add a task.\n\nThat is all.');
  });

  it.each([
    'No call here, just words.',
    '{"title": "Buy milk"}',
    '```json\n{"summary": "nothing to do"}\n```',
    '[a link](https://example.org) and a [list]',
    'create_task(title="Buy milk")',
    `The format is "${TASK}"`,
    '[1, 2, 3]',
    '',
  ])('are not made up: %j', (content) => {
    expect(readTextCalls(content, CATALOG)).toEqual({ calls: [], rest: content, attempted: 0 });
  });

  it.each([
    ['an unknown name', '{"name":"rm_rf","arguments":{"path":"/"}}'],
    ['a missing parameter', '{"name":"create_task","arguments":{}}'],
    ['a name of Object', '{"name":"constructor","arguments":{}}'],
    ['an unreadable tag', '<tool_call>{"name":</tool_call>'],
    ['a function without arguments', '<function=create_task>milk</function>'],
  ])('that cannot be taken count as attempts: %s', (_form, content) => {
    expect(readTextCalls(content, CATALOG)).toEqual({ calls: [], rest: '', attempted: 1 });
  });

  it('cost little, whatever the text', () => {
    const nasty = [
      '{"a":"',
      '[\n',
      '<tool_call>',
      '<function=a>',
      '```\n',
      "[a(b='",
      '{"name":"create_task","arguments":{"title":',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...nasty),
        fc.string({ unit: 'binary', maxLength: 20 }),
        (piece, end) => {
          const startedMs = performance.now();
          readTextCalls(piece.repeat(32_000 / piece.length) + end, CATALOG);
          expect(performance.now() - startedMs).toBeLessThan(1_500);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('a literal', () => {
  it('is what JSON says it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        expect(readLiteral(text, 0)).toEqual({
          value: JSON.parse(text) as unknown,
          end: text.length,
        });
      }),
    );
  });

  it('may be written in Python', () => {
    const text = `{'a': None, "b": [True, False, -1.5e3], 'c': ('x', "y\\u00e4"), }`;
    expect(readLiteral(text, 0)?.value).toEqual({
      a: null,
      b: [true, false, -1_500],
      c: ['x', 'yä'],
    });
  });

  it.each(['', '{', '{"a"}', '{"a":1', "'open", '[1 2]', 'NaN', 'undefined', '['.repeat(100)])(
    'is not %j',
    (text) => {
      expect(readLiteral(text, 0)).toBeNull();
    },
  );
});

/** Pieces of every form that is known, and of none. */
const PIECES = [
  '[TOOL_CALLS]',
  '[ARGS]',
  '[CALL_ID]',
  'create_task',
  '{"title":"x"}',
  '<tool_call>',
  '</tool_call>',
  '<function=create_task>',
  '</function>',
  '<parameter=title>',
  '</parameter>',
  '<arg_key>title</arg_key>',
  '<arg_value>',
  '<|python_tag|>',
  '<|channel|>',
  'commentary to=functions.create_task',
  '<|constrain|>json',
  '<|message|>',
  '<|call|>',
  '<|end|>',
  '<|start|>assistant',
  'analysis',
  '<|tool_calls_section_begin|>',
  '<|tool_call_begin|>functions.create_task:0',
  '<|tool_call_argument_begin|>',
  '<｜tool▁calls▁begin｜>',
  '<｜tool▁call▁begin｜>',
  '<｜tool▁sep｜>',
  '<minimax:tool_call>',
  '<invoke name="create_task">',
  '<parameter name="title">',
  '</invoke>',
  '<|tool_call_start|>',
  '[create_task(title="x")]',
  '<start_function_call>call:create_task{title:<escape>',
  '<escape>}',
  '<|START_ACTION|>',
  '<TOOLCALL>',
  '<function_calls>',
  'Action: create_task\n',
  'Action Input: ',
  '>>>create_task\n',
  '```json\n',
  '```',
  '<think>',
  '</think>',
  '[THINK]',
  '[/THINK]',
  '◁think▷',
  '<tool_response>',
  '{"status":"refused","reason":"no"}',
  'BEGIN INPUT kq7w2mzx\n',
  '\n',
  ' ',
  'Buy milk.',
  '{"name":"create_task","arguments":{"title":"x"}}',
  '{"name":"rm"',
  '<|im_end|>',
  '</s>',
  '"',
  '}',
  ';',
  'assistantfinal',
];

describe('what is left of any text', () => {
  const anyText = fc
    .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'binary', maxLength: 8 })), {
      maxLength: 24,
    })
    .map((pieces) => pieces.join(''));

  it('holds no markup where it ends as an answer, and reading it never throws', () => {
    fc.assert(
      fc.property(anyText, (content) => {
        const body = {
          choices: [{ message: { role: 'assistant', content }, finish_reason: 'stop' }],
        };
        const reading = readAnswer(body, { mayBeEmpty: true, tools: CATALOG });
        if (!reading.ok) return;
        expect(foreignMarkup(reading.answer.content)).toBeNull();
        for (const { name } of reading.answer.toolCalls)
          expect(CATALOG.map((tool) => tool.name)).toContain(name);
        const plan = applyAnswer(startPlan({ system: 's', user: 'u' }), reading.answer, CATALOG);
        for (const text of [
          planSummary(plan),
          ...planSteps(plan, 'i').map((step) => JSON.stringify([step.summary, step.rationale])),
        ])
          expect(foreignMarkup(text)).toBeNull();
      }),
      { numRuns: 3_000 },
    );
  });

  it.each(PIECES)('is read in time that grows with the text alone: %j', (piece) => {
    const content = piece.repeat(Math.ceil(32_000 / piece.length));
    const startedMs = performance.now();
    readAnswer(
      { choices: [{ message: { content }, finish_reason: 'stop' }] },
      { mayBeEmpty: false, tools: CATALOG },
    );
    foreignMarkup(content);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});
