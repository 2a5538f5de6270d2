import { id, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

import { z } from 'zod';

const TYPES = ['single', 'multi', 'truefalse', 'text'] as const;
const OPTIONS = 'JSON text of the answers: [{"text": "…", "correct": true}, …].';

export const quiz = toolsOf(
  'quiz',
  ['quiz', 'quizzes', 'question', 'learn', 'exam', 'frage', 'lernen', 'prüfung'],
  [
    tool({
      name: 'create_quiz',
      description:
        'Create an empty quiz. Its id is not known in this run, so its questions follow in a later one.',
      parameters: { title: text(), description: optionalText(), category: optionalText() },
      summarise: ({ title, category }) => `Create quiz ${quote(title)}${part(' in ', category)}`,
    }),
    tool({
      name: 'update_quiz',
      description: 'Change the title, description or category of a quiz, pin it or archive it.',
      parameters: {
        quizId: id('the quiz'),
        title: optionalText(),
        description: optionalText(),
        category: optionalText(),
        isPinned: z.boolean().optional(),
        isArchived: z.boolean().optional(),
      },
      summarise: ({ quizId, title, isPinned, isArchived }) =>
        `Change quiz ${quote(quizId)}${part(', titled ', title)}${flag(isPinned, 'pinned')}${flag(isArchived, 'archived')}`,
    }),
    tool({
      name: 'add_quiz_question',
      description: 'Add a question to an existing quiz.',
      parameters: {
        quizId: id('the quiz'),
        type: oneOf(
          TYPES,
          'single: one right answer; multi: several; truefalse; text: free answer.',
        ),
        questionText: text(),
        optionsJson: text(OPTIONS),
        explanation: optionalText('Shown after the answer.'),
      },
      summarise: ({ quizId, questionText }) =>
        `Add question ${quote(questionText)} to quiz ${quote(quizId)}`,
    }),
    tool({
      name: 'update_quiz_question',
      description: 'Change a question of a quiz; what is left out stays.',
      parameters: {
        questionId: id('the question'),
        questionText: optionalText(),
        type: oneOf(TYPES).optional(),
        optionsJson: optionalText(OPTIONS),
        explanation: optionalText(),
      },
      summarise: ({ questionId, questionText }) =>
        `Change quiz question ${quote(questionId)}${part(' to ', questionText)}`,
    }),
    tool({
      name: 'delete_quiz_question',
      description: 'Delete a question of a quiz. It cannot be brought back.',
      parameters: { questionId: id('the question') },
      summarise: ({ questionId }) => `Delete quiz question ${quote(questionId)}`,
    }),
  ],
);

function flag(value: boolean | undefined, word: string): string {
  return value === undefined ? '' : `, ${value ? '' : 'not '}${word}`;
}
