import { optionalText, quote, text, tool, toolsOf } from './tool.ts';

export const broadcast = toolsOf(
  'broadcast',
  ['newsletter', 'campaign', 'broadcast', 'mailing', 'kampagne', 'rundbrief'],
  [
    tool({
      name: 'create_campaign_draft',
      description: 'Draft a newsletter. It is not sent.',
      parameters: {
        name: text('Internal name of the campaign.'),
        subject: text('Subject line of the mail.'),
        preheader: optionalText('Preview line of the mail.'),
        htmlContent: text('The mail, simple HTML without scripts.'),
      },
      summarise: ({ name, subject }) =>
        `Draft newsletter ${quote(name)} with the subject ${quote(subject)}`,
    }),
  ],
);
