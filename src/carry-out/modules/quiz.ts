import { names } from '../names.ts';
import { isRecord } from '../../values/fields.ts';
import { bad } from '../params.ts';
import { needEver, needOne, textOf } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { changes, creates, deletes, QUESTIONS, QUIZZES } from '../tables.ts';
import type { ReadRecord } from '../types.ts';
import { named, quoted } from '../words.ts';

const CREATES = creates(
  QUIZZES,
  names('title description category tags questionCount isPinned', 'isArchived'),
);
const CHANGES = changes(QUIZZES, ['title', 'description', 'category', 'isPinned', 'isArchived']);
const COUNTS = changes(QUIZZES, ['questionCount']);
const ADDS = creates(QUESTIONS, names('quizId order type questionText options explanation'));
const CHANGES_QUESTION = changes(QUESTIONS, ['questionText', 'explanation', 'options', 'type']);
const DELETES = deletes(QUESTIONS);

const TYPES = ['single', 'multi', 'truefalse', 'text'] as const;
type QuestionType = (typeof TYPES)[number];

export const quiz: ModuleTools = {
  module: 'quiz',
  appId: 'quiz',
  tools: {
    create_quiz: { effect: 'create', writes: [CREATES], carryOut: createQuiz },
    update_quiz: {
      effect: 'change',
      writes: [CHANGES],
      needs: (params) => [needOne(QUIZZES, params.text('quizId'))],
      carryOut: updateQuiz,
    },
    add_quiz_question: {
      effect: 'create',
      writes: [ADDS, COUNTS],
      needs: (params) => [needOne(QUIZZES, params.text('quizId')), needEver(QUESTIONS)],
      carryOut: addQuestion,
    },
    update_quiz_question: {
      effect: 'change',
      writes: [CHANGES_QUESTION],
      needs: (params) => [needOne(QUESTIONS, params.text('questionId'))],
      carryOut: updateQuestion,
    },
    delete_quiz_question: {
      effect: 'delete',
      writes: [DELETES, COUNTS],
      needs: (params, records) => {
        const question = records.find(QUESTIONS, params.text('questionId'));
        const quizId = question === null ? null : textOf(question, 'quizId');
        return [needEver(QUESTIONS), ...(quizId === null ? [] : [needOne(QUIZZES, quizId)])];
      },
      carryOut: deleteQuestion,
    },
  },
};

function createQuiz(step: Step): string {
  const { params } = step;
  const title = params.trimmed('title');
  step.insert(CREATES, {
    title,
    description: params.textOrNull('description'),
    category: params.textOrNull('category'),
    tags: [],
    questionCount: 0,
    isPinned: false,
    isArchived: false,
  });
  return `Created the quiz ${quoted(title)}.`;
}

function updateQuiz(step: Step): string {
  const { params } = step;
  const found = step.records.one(QUIZZES, params.text('quizId'), 'quiz');
  const isGiven = (name: string): boolean => params.optionalText(name) !== null;
  const fields = {
    title: isGiven('title') ? params.trimmed('title') : undefined,
    description: isGiven('description') ? params.textOrNull('description') : undefined,
    category: isGiven('category') ? params.textOrNull('category') : undefined,
    isPinned: params.optionalBoolean('isPinned') ?? undefined,
    isArchived: params.optionalBoolean('isArchived') ?? undefined,
  };
  if (Object.values(fields).every((value) => value === undefined))
    throw bad('title, description, category, isPinned or isArchived is needed.');
  step.update(CHANGES, found, fields);
  return `Changed the quiz ${named(found, 'title')}.`;
}

function addQuestion(step: Step): string {
  const { params } = step;
  const found = step.records.one(QUIZZES, params.text('quizId'), 'quiz');
  const type = params.oneOf('type', TYPES);
  const questionText = params.trimmed('questionText');
  const ever = questionsOf(step.records.withDeleted(QUESTIONS), found.recordId);
  const live = questionsOf(step.records.live(QUESTIONS), found.recordId);
  step.insert(
    ADDS,
    {
      quizId: found.recordId,
      order: ever.length,
      type,
      questionText,
      options: optionsOf(step, type),
      explanation: params.textOrNull('explanation'),
    },
    found,
  );
  step.update(COUNTS, found, { questionCount: live.length + 1 });
  return `Added the question ${quoted(questionText)} to the quiz ${named(found, 'title')}.`;
}

function updateQuestion(step: Step): string {
  const { params } = step;
  const question = step.records.one(QUESTIONS, params.text('questionId'), 'question');
  const type = params.optionalOneOf('type', TYPES);
  const hasOptions = params.textOrNull('optionsJson') !== null;
  if (type !== null && !hasOptions) throw bad('type wants optionsJson beside it.');
  const stored = TYPES.find((known) => known === question.data['type']) ?? 'single';
  const fields = {
    questionText:
      params.optionalText('questionText') === null ? undefined : params.trimmed('questionText'),
    explanation:
      params.optionalText('explanation') === null ? undefined : params.textOrNull('explanation'),
    options: hasOptions ? optionsOf(step, type ?? stored) : undefined,
    type: type !== null && type !== stored ? type : undefined,
  };
  if (Object.values(fields).every((value) => value === undefined))
    throw bad('questionText, explanation or optionsJson is needed.');
  step.update(CHANGES_QUESTION, question, fields);
  return `Changed the question ${named(question, 'questionText')}.`;
}

function deleteQuestion(step: Step): string {
  const question = step.records.one(QUESTIONS, step.params.text('questionId'), 'question');
  const quizId = textOf(question, 'quizId') ?? '';
  step.delete(DELETES, question);
  const found = step.records.find(QUIZZES, quizId);
  const left = questionsOf(step.records.live(QUESTIONS), quizId).length - 1;
  if (found !== null) step.update(COUNTS, found, { questionCount: left });
  return `Deleted the question ${named(question, 'questionText')}.`;
}

function questionsOf(all: readonly ReadRecord[], quizId: string): ReadRecord[] {
  return all.filter(({ data }) => data['quizId'] === quizId);
}

type Option = { id: string; text: string; isCorrect: boolean };

function optionsOf(step: Step, type: QuestionType): Option[] {
  return answersOf(step.params.text('optionsJson'), type).map((answer, index) => ({
    id: step.partId('options', index),
    ...answer,
  }));
}

function answersOf(text: string, type: QuestionType): Omit<Option, 'id'>[] {
  const trimmed = text.trim();
  if (type === 'text') return [{ text: trimmed, isCorrect: true }];
  if (type === 'truefalse') {
    const word = trimmed.toLowerCase();
    if (word !== 'true' && word !== 'false') throw bad('optionsJson wants to be true or false.');
    // The app's words, which are German.
    return [
      { text: 'Wahr', isCorrect: word === 'true' },
      { text: 'Falsch', isCorrect: word === 'false' },
    ];
  }
  const answers = listOfAnswers(trimmed);
  const correct = answers.filter(({ isCorrect }) => isCorrect).length;
  if (answers.length < 2) throw bad('optionsJson wants at least two answers.');
  if (correct === 0) throw bad('optionsJson wants an answer that is correct.');
  if (type === 'single' && correct > 1) throw bad('optionsJson wants one correct answer alone.');
  return answers;
}

function listOfAnswers(text: string): Omit<Option, 'id'>[] {
  const list = parsed(text);
  if (!Array.isArray(list)) throw bad('optionsJson wants to be the JSON text of a list.');
  return list.map((item: unknown) => {
    if (!isRecord(item) || typeof item['text'] !== 'string' || item['text'].trim() === '')
      throw bad('Each answer in optionsJson wants a text.');
    // Plans of ours have called it isCorrect, as the stored answer does.
    return { text: item['text'], isCorrect: (item['correct'] ?? item['isCorrect']) === true };
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
