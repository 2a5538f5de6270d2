import type { ModuleFormat } from './module-format.ts';

/** The person's profile. */
export const profile: ModuleFormat = {
  fallbackTitle: 'Profile',
  titleFields: ['displayName', 'name'],
  main: [
    { label: 'Name', fields: ['displayName', 'name'] },
    { label: 'About', fields: ['about', 'bio', 'description'] },
    { label: 'Occupation', fields: ['occupation', 'profession'] },
    { label: 'Interests', fields: ['interests'] },
    { label: 'Content', fields: ['content', 'text'] },
  ],
  details: [
    { label: 'Location', fields: ['location', 'city'] },
    { label: 'Language', fields: ['language', 'locale'] },
    { label: 'Time zone', fields: ['timeZone', 'timezone'] },
  ],
};
