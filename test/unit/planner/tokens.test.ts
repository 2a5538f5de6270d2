import { describe, expect, it } from 'vitest';
import { shrinkPrompt } from '../../../src/model/shrink.ts';
import { countPrompt, estimateTokens } from '../../../src/planner/tokens.ts';
import { isTruncated } from '../../../src/model/truncation.ts';
import { toLlmTools } from '../../../src/planner/tool-choice.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

const ENGLISH =
  'A stalled server is noticed only by its timeout. Runs wait and go on by themselves; nothing is planned twice, and no mission is blamed.';
const GERMAN =
  'Bitte plane die nächsten Schritte für meine Bewerbungsunterlagen und erinnere mich an die Steuererklärung, die bis Ende September abgegeben werden muss.';

const HINDI = 'मुझे सही रास्ते पर रखो: हफ्ते में तीन छोटे सत्र, और हर पाठ से पहले तैयार करने के लिए एक काम।';
const TAMIL = 'என்னை சரியான பாதையில் வைத்திரு: வாரத்திற்கு மூன்று குறுகிய பாடங்கள்.';

function block(label: string, text: string): string {
  return `BEGIN ${label} d0c5\n${text}\nEND ${label} d0c5`;
}

describe('the estimate of tokens', () => {
  // Counted with o200k_base and cl100k_base.
  it.each([
    ['English', ENGLISH, 29, 29],
    ['German', GERMAN, 30, 36],
    ['a UUID', '0b0c7c3e-2c1c-4f7e-9a57-0b3d9a1f0c22', 34, 34],
    [
      'Chinese',
      '请为我的搬家计划下一步：终止租约，预订卡车，通知能源供应商，并与邻居组织一次告别聚会。',
      34,
      52,
    ],
    ['Hindi', HINDI, 30, 86],
    ['Tamil', TAMIL, 20, 91],
    ['rules of dashes', `${'-'.repeat(80)}\n`.repeat(5), 10, 10],
  ])('lies near what tokenizers of models count: %s', (_language, text, lower, upper) => {
    const tokens = estimateTokens(text);
    expect(tokens).toBeGreaterThan(lower * 0.7);
    expect(tokens).toBeLessThan(upper * 1.2);
  });

  it.each([
    ['Hindi', HINDI, 30],
    ['Tamil', TAMIL, 20],
  ])(
    'is near enough that the honest count of a modern tokenizer is no sign of a cut prompt: %s',
    (_language, text, tokens) => {
      const counted = countPrompt([{ role: 'user', content: `${text} `.repeat(150) }], []);
      expect(isTruncated(counted, tokens * 150)).toBe(false);
    },
  );

  it('is near for the tools, as JSON', () => {
    const chars = JSON.stringify(toLlmTools(CATALOG)).length;
    const { tools } = countPrompt([], CATALOG);
    expect(tools / chars).toBeGreaterThan(0.19);
    expect(tools / chars).toBeLessThan(0.3);
  });

  it('grows with the text, and is 0 for none', () => {
    expect(estimateTokens('')).toBe(0);
    expect(estimateTokens('milk '.repeat(1_000))).toBeGreaterThan(950);
  });
});

describe('a shrunk prompt', () => {
  const user = [
    block('MISSION', 'Objective: shop'),
    block('INPUT', 'x '.repeat(5_000)),
    'Plan now.',
  ].join('\n\n');
  const messages = [
    { role: 'system' as const, content: 'The rules.' },
    { role: 'user' as const, content: user },
  ];

  it('keeps rules, mission and the lines around its data', () => {
    const shrunk = shrinkPrompt({ messages, tools: CATALOG }, 1_500);
    expect(shrunk.counted.total).toBeLessThanOrEqual(1_500);
    expect(shrunk.messages[0]).toEqual(messages[0]);
    expect(shrunk.messages[1]?.content).toMatch(
      /^BEGIN MISSION d0c5\nObjective: shop\nEND MISSION d0c5\n\nBEGIN INPUT d0c5\n/,
    );
    expect(shrunk.messages[1]?.content).toMatch(
      /\[cut here[^\]]*\]\nEND INPUT d0c5\n\nPlan now\.$/,
    );
    expect(shrunk.tools.length).toBeLessThanOrEqual(8);
  });

  it('is the same for the same limit, and does not change a second time', () => {
    const once = shrinkPrompt({ messages, tools: CATALOG }, 1_500);
    expect(shrinkPrompt({ messages, tools: CATALOG }, 1_500)).toEqual(once);
    expect(shrinkPrompt(once, 1_500).messages).toEqual(once.messages);
  });

  it('ends somewhere, whatever the limit', () => {
    expect(shrinkPrompt({ messages, tools: CATALOG }, 1).tools).toHaveLength(4);
  });
});
