import { optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

export const contacts = toolsOf(
  'contacts',
  ['contact', 'address book', 'kontakt'],
  [
    tool({
      name: 'create_contact',
      description: 'Add a person to the contacts. Only with details that stand in the data.',
      parameters: {
        firstName: text(),
        lastName: optionalText(),
        email: optionalText(),
        phone: optionalText(),
        company: optionalText(),
        notes: optionalText(),
      },
      summarise: ({ firstName, lastName, company }) =>
        `Add contact ${quote(`${firstName} ${lastName ?? ''}`)}${part(' of ', company)}`,
    }),
  ],
);
