import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { urlsIn } from '../../../src/inputs/urls.ts';
import {
  judgeLinks,
  linksGiven,
  linksRead,
  MAX_READ_LINKS,
  type PlanLinks,
} from '../../../src/planner/links.ts';
import type { LlmAnswer } from '../../../src/planner/chat.ts';
import { applyAnswer, planSteps, planSummary, startPlan } from '../../../src/planner/plan.ts';
import { CATALOG } from '../../../src/planner/tools/index.ts';

const ALPHABET = Array.from(
  { length: 300 },
  (_, n) => `https://evil.example/${n.toString(36)}.png`,
);
const mission = {
  title: '',
  objective: 'Look at https://mine.example/start first.',
  conceptMarkdown: '',
};
const inputs = [
  { module: 'notes', id: 'n1', title: 'Letters', text: ALPHABET.join('\n') },
  { module: 'notes', id: 'n2', title: 'Secret', text: 'The code is c0ffee' },
];
const links = linksGiven({ mission, inputs });

function answer(content: string, calls: { name: string; args: object }[] = []): LlmAnswer {
  return {
    content,
    toolCalls: calls.map(({ name, args }, n) => ({
      id: `c${n}`,
      name,
      arguments: JSON.stringify(args),
    })),
    usage: { promptTokens: 1, completionTokens: 1 },
    finishReason: 'stop',
  };
}

function planWith(given: PlanLinks) {
  const { mission: own, ...readLinks } = given;
  return startPlan({ system: 's', user: 'u', links: own, readLinks });
}

const ownNote = (noteId: string, content: string) => ({
  name: 'append_to_note',
  args: { noteId, content },
});

describe('links of records', () => {
  it('spell nothing: a code of pictures that are all known is refused, in steps and in words', () => {
    const code = '31c0ffee'
      .split('')
      .map((digit) => `![](${ALPHABET[parseInt(digit, 16)]})`)
      .join('');
    const calls = [
      { name: 'create_note', args: { content: code } },
      ownNote('n1', code),
      ownNote('n2', code),
    ];
    const plan = applyAnswer(planWith(links), answer(code, calls), CATALOG);
    expect(plan.steps).toEqual([]);
    expect(JSON.stringify([planSteps(plan, 'i'), planSummary(plan)])).not.toContain('evil.example');
  });

  it('count in a step about their own record alone, which one of its ids names', () => {
    const [link = ''] = ALPHABET;
    expect(judgeLinks({ noteId: 'n1', content: `See ${link}` }, links, []).ok).toBe(true);
    expect(judgeLinks({ noteIds: ['n2', 'n1'], content: link }, links, []).ok).toBe(true);
    for (const params of [
      { noteId: 'n2', content: link },
      { title: 'n1', content: link },
      { content: `n1 ${link}` },
      { noteId: 'n1', content: `${link}?x=c0ffee` },
      { [link]: 'n1' },
    ]) {
      expect(judgeLinks(params, links, []), JSON.stringify(params)).toMatchObject({ ok: false });
    }
  });

  it('count anywhere where the mission names them', () => {
    expect(judgeLinks({ content: '![](https://mine.example/start)' }, links, [])).toEqual({
      ok: true,
      read: [],
    });
  });

  it.each([
    (link: string) => `![x](${link})`,
    (link: string) => `![x][1]\n\n[1]: ${link}`,
    (link: string) => `!\u200b[x](${link})`,
    (link: string) => `&#33;[x](${link})`,
    (link: string) => `<img src=${link}>`,
    (link: string) => `<IMG\nSRC='${link}'>`,
    (link: string) => `&lt;iframe src="${link}">`,
    (link: string) => `<video poster="${link}">`,
    (link: string) => `<link rel=prefetch href="${link}">`,
    (link: string) => `<p style="background:url(${link})">`,
    (link: string) => `[[${link}]]`,
    (link: string) => `<object data="${link}">`,
  ])('stand as links alone, never as what is loaded: case %#', (embed) => {
    const [link = ''] = ALPHABET;
    expect(judgeLinks({ noteId: 'n1', content: embed(link) }, links, [])).toMatchObject({
      ok: false,
    });
    for (const name of ['imageUrl', 'cover', 'avatar_url', 'thumbnail'])
      expect(judgeLinks({ noteId: 'n1', [name]: link }, links, [])).toMatchObject({ ok: false });
  });

  it('are three in a plan at most, over all steps, rounds and words', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom(...ALPHABET.slice(0, 12)), { maxLength: 6 }), {
          maxLength: 4,
        }),
        (rounds) => {
          let plan = planWith({ ...links, research: [...urlsIn(ALPHABET.slice(6))] });
          for (const [index, chosen] of rounds.entries()) {
            const calls = chosen.map((link, n) => ownNote('n1', `${index}.${n} ${link}`));
            plan = applyAnswer(plan, answer(chosen.join(' '), calls), CATALOG);
          }
          const shown = JSON.stringify([planSteps(plan, 'i'), planSummary(plan)]);
          const seen = new Set(ALPHABET.filter((link) => shown.includes(link)));
          expect(seen.size).toBeLessThanOrEqual(MAX_READ_LINKS);
        },
      ),
    );
  });

  it('that were read in a round belong to the record that was read', () => {
    const read = linksRead(links, { items: [{ id: 'n9', content: 'https://other.example/a' }] });
    expect(judgeLinks({ noteId: 'n9', content: 'https://other.example/a' }, read, []).ok).toBe(
      true,
    );
    expect(judgeLinks({ noteId: 'n1', content: 'https://other.example/a' }, read, []).ok).toBe(
      false,
    );
    expect(linksRead(links, { items: [], text: 'https://other.example/a' })).toEqual(links);
  });
});
