import { names } from '../names.ts';
import type { ModuleTools, Step } from '../step.ts';
import { CONTACTS, creates } from '../tables.ts';
import { quoted } from '../words.ts';

const CREATES = creates(
  CONTACTS,
  names('firstName lastName email phone company notes tags', 'isFavorite isArchived'),
);

export const contacts: ModuleTools = {
  module: 'contacts',
  appId: 'contacts',
  tools: { create_contact: { effect: 'create', writes: [CREATES], carryOut: createContact } },
};

function createContact(step: Step): string {
  const { params } = step;
  const firstName = params.text('firstName');
  const lastName = params.optionalText('lastName');
  step.insert(CREATES, {
    firstName,
    lastName: lastName ?? undefined,
    email: params.optionalText('email') ?? undefined,
    phone: params.optionalText('phone') ?? undefined,
    company: params.optionalText('company') ?? undefined,
    notes: params.optionalText('notes') ?? undefined,
    tags: [],
    isFavorite: false,
    isArchived: false,
  });
  return `Created the contact ${quoted(`${firstName} ${lastName ?? ''}`)}.`;
}
