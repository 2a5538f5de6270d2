import { describe, expect, it } from 'vitest';
import { OwnTimeouts } from '../../../../durable-objects/admission/own-timeouts.ts';

describe('a call that runs out of time', () => {
  it('is the model’s, however often, as long as nobody was answered since', () => {
    const timeouts = new OwnTimeouts();
    timeouts.answered('other', 1);
    expect([10, 20, 30].map((at) => timeouts.isOwn('m', at))).toEqual([false, false, false]);
  });

  it('is the mission’s own where others were answered between two of them', () => {
    const timeouts = new OwnTimeouts();
    expect(timeouts.isOwn('m', 10)).toBe(false);
    timeouts.answered('other', 15);
    expect(timeouts.isOwn('m', 20)).toBe(true);
    expect(timeouts.isOwn('second', 21)).toBe(false);
    // Nobody since: it may be the model's this time.
    expect(timeouts.isOwn('m', 30)).toBe(false);
  });

  it('begins anew once the mission itself was answered', () => {
    const timeouts = new OwnTimeouts();
    timeouts.isOwn('m', 10);
    timeouts.answered('m', 15);
    expect(timeouts.isOwn('m', 20)).toBe(false);
  });

  it('does not remember without end', () => {
    const timeouts = new OwnTimeouts();
    timeouts.isOwn('first', 1);
    for (let index = 0; index < 1_000; index += 1) timeouts.isOwn(`m${index}`, 2);
    timeouts.answered('other', 3);
    expect([timeouts.isOwn('first', 4), timeouts.isOwn('m999', 4)]).toEqual([false, true]);
  });
});
