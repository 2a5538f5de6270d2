import { id, number, oneOf, optionalText, part, quote, tool, toolsOf } from './tool.ts';

export const goals = toolsOf(
  'goals',
  ['goal', 'target', 'objective', 'ziel'],
  [
    tool({
      name: 'create_goal',
      description:
        'Set a goal that is counted per period, from a template or with a title and a target of its own.',
      parameters: {
        templateId: optionalText('Id of a template, exactly as in the data.'),
        title: optionalText('The goal, short.'),
        description: optionalText(),
        targetValue: number('How many per period.').optional(),
        period: oneOf(['day', 'week', 'month']).optional(),
        comparison: oneOf(['gte', 'lte'], 'gte: at least the target; lte: at most.').optional(),
        eventType: optionalText('Type of the event that counts, exactly as in the data.'),
        moduleId: optionalText('Module whose events count.'),
      },
      summarise: ({ title, templateId, targetValue, period, comparison }) =>
        `Create goal ${nameOf(title, templateId)}${part(comparison === 'lte' ? ', at most ' : ', at least ', targetValue)}${part(targetValue === undefined ? ', per ' : ' per ', period)}`,
    }),
    tool({
      name: 'pause_goal',
      description: 'Stop counting a goal for now.',
      parameters: { goalId: id('the goal') },
      summarise: ({ goalId }) => `Pause goal ${quote(goalId)}`,
    }),
    tool({
      name: 'resume_goal',
      description: 'Go on counting a paused goal.',
      parameters: { goalId: id('the goal') },
      summarise: ({ goalId }) => `Resume goal ${quote(goalId)}`,
    }),
    tool({
      name: 'complete_goal',
      description: 'Mark a goal as reached. Only if the data shows that it is.',
      parameters: { goalId: id('the goal') },
      summarise: ({ goalId }) => `Mark goal ${quote(goalId)} as reached`,
    }),
  ],
);

/** What a summary calls the goal; blank texts say nothing. */
function nameOf(title: string | undefined, templateId: string | undefined): string {
  if (title?.trim()) return quote(title);
  return templateId?.trim() ? `from template ${quote(templateId)}` : 'without a title';
}
