import type { ChatMessage } from './chat.ts';
import { type Quotable, shownForm } from './markup.ts';

/** What an answer may quote: the data of the prompt and what was read since, but none of our own words around them. */
export function quotableOf(messages: readonly ChatMessage[]): Quotable {
  const data = messages
    .filter(({ role }) => role === 'user' || role === 'tool')
    .map(({ content }) => content);
  const delimiter = /^BEGIN [A-Z][A-Z\d ]* (\S{4,40})$/m.exec(data.join('\n'))?.[1] ?? '';
  return { data: shownForm(data.join('\n')), delimiter };
}
