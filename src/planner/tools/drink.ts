import { tool, toolsOf } from './tool.ts';

export const drink = toolsOf(
  'drink',
  ['drink', 'water', 'coffee', 'trinken', 'wasser', 'kaffee'],
  [
    tool({
      name: 'undo_drink',
      description:
        'Take back the drink that was logged last. Only if the data shows that it was logged by mistake.',
      parameters: {},
      summarise: () => 'Take back the last logged drink',
    }),
  ],
);
