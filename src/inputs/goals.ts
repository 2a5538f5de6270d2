import type { ModuleFormat } from './module-format.ts';

/**
 * Goals (companion/companionGoals). They are plaintext, and a line shows the progress towards the
 * target.
 */
export const goals: ModuleFormat = {
  fallbackTitle: 'Goal',
  titleFields: ['title', 'name'],
  main: [
    { label: 'Goal', fields: ['title', 'name'] },
    { label: 'Description', fields: ['description'] },
    { label: 'Target', fields: ['target.value', 'targetValue'] },
  ],
  details: [
    { label: 'Status', fields: ['status', 'state'] },
    { label: 'Current value', fields: ['currentValue'] },
    { label: 'Unit', fields: ['target.unit', 'unit'] },
    { label: 'Period', fields: ['target.period', 'period'] },
    { label: 'Comparison', fields: ['target.comparison', 'comparison'] },
    { label: 'Period started', fields: ['currentPeriodStart'] },
    { label: 'Module', fields: ['moduleId'] },
  ],
};
