import type { ModuleFormat } from './module-format.ts';
import { type FieldLine, wholeText } from './readable-record.ts';

/** A line for a list, or for a section of the profile, which is an object. */
function section(label: string, ...fields: string[]): FieldLine {
  return { label, fields, show: wholeText };
}

/**
 * The person's profile. The app keeps it as one record of sections (profile/userContext): objects,
 * lists, and a free text.
 */
export const profile: ModuleFormat = {
  fallbackTitle: 'Profile',
  titleFields: ['displayName', 'name'],
  main: [
    { label: 'Name', fields: ['displayName', 'name'] },
    section('About', 'about', 'bio', 'description'),
    { label: 'Occupation', fields: ['occupation', 'profession'] },
    section('Interests', 'interests'),
    section('Goals', 'goals'),
    section('Routine', 'routine'),
    section('Nutrition', 'nutrition'),
    section('Leisure', 'leisure'),
    section('Social', 'social'),
    { label: 'Content', fields: ['freeform', 'content', 'text'] },
  ],
  details: [
    { label: 'Location', fields: ['location', 'city'] },
    { label: 'Language', fields: ['language', 'locale'] },
    { label: 'Time zone', fields: ['timeZone', 'timezone'] },
  ],
};
