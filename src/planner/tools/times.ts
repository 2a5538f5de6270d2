import { optionalText, part, quote, tool, toolsOf } from './tool.ts';

export const times = toolsOf(
  'times',
  ['timer', 'time tracking', 'zeiterfassung', 'stoppuhr'],
  [
    tool({
      name: 'start_timer',
      description: 'Start measuring working time from the moment of approval.',
      parameters: {
        description: optionalText('What is worked on.'),
        projectId: optionalText('Id of the project, exactly as in the data.'),
      },
      summarise: ({ description, projectId }) =>
        `Start the timer${description?.trim() ? ` for ${quote(description)}` : ''}${part(' in project ', projectId)}`,
    }),
    tool({
      name: 'stop_timer',
      description: 'Stop the timer that runs.',
      parameters: {},
      summarise: () => 'Stop the running timer',
    }),
  ],
);
