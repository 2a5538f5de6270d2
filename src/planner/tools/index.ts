import { articles } from './articles.ts';
import { augur } from './augur.ts';
import { broadcast } from './broadcast.ts';
import { calendar } from './calendar.ts';
import { comic } from './comic.ts';
import { contacts } from './contacts.ts';
import { drink } from './drink.ts';
import { events } from './events.ts';
import { finance } from './finance.ts';
import { goals } from './goals.ts';
import { habits } from './habits.ts';
import { invoices } from './invoices.ts';
import { journal } from './journal.ts';
import { lasts } from './lasts.ts';
import { library } from './library.ts';
import { mood } from './mood.ts';
import { news } from './news.ts';
import { newsResearch } from './news-research.ts';
import { notes } from './notes.ts';
import { places } from './places.ts';
import { quiz } from './quiz.ts';
import { times } from './times.ts';
import { todo } from './todo.ts';
import { website } from './website.ts';
import { writing } from './writing.ts';
import type { Tool } from './tool.ts';

/** Every tool that the model may propose, in the order of the app's own list. */
export const CATALOG: readonly Tool[] = [
  ...todo,
  ...calendar,
  ...notes,
  ...places,
  ...drink,
  ...news,
  ...articles,
  ...newsResearch,
  ...journal,
  ...habits,
  ...goals,
  ...contacts,
  ...mood,
  ...finance,
  ...times,
  ...events,
  ...quiz,
  ...invoices,
  ...library,
  ...broadcast,
  ...website,
  ...writing,
  ...comic,
  ...augur,
  ...lasts,
];
