import { names } from '../names.ts';
import { bad } from '../params.ts';
import { needOne, openedText, textOf, opened } from '../records.ts';
import type { ModuleTools, Step } from '../step.ts';
import { BROADCAST_SETTINGS, CAMPAIGNS, creates } from '../tables.ts';
import { quoted } from '../words.ts';
import { htmlToDocument, plainTextOf } from './rich-text.ts';

const SETTINGS_ID = 'broadcast-settings';

const CREATES = creates(
  CAMPAIGNS,
  names(
    'name subject preheader fromName fromEmail replyTo content',
    'templateId audience scheduledAt sentAt status serverJobId',
    'stats',
  ),
);
const CREATES_SETTINGS = creates(
  BROADCAST_SETTINGS,
  names(
    'defaultFromName defaultFromEmail defaultReplyTo defaultFooter',
    'dnsCheck legalAddress unsubscribeLandingCopy',
  ),
  { is: SETTINGS_ID },
);

export const broadcast: ModuleTools = {
  module: 'broadcast',
  appId: 'broadcasts',
  tools: {
    create_campaign_draft: {
      effect: 'create',
      writes: [CREATES, CREATES_SETTINGS],
      needs: () => [needOne(BROADCAST_SETTINGS, SETTINGS_ID)],
      carryOut: createDraft,
    },
  },
};

/** A draft alone: nothing is sent by it. */
function createDraft(step: Step): string {
  const { params } = step;
  const subject = params.trimmed('subject');
  const html = params.text('htmlContent');
  const name = params.trimmedOrNull('name') ?? subject;
  const settings = step.records.find(BROADCAST_SETTINGS, SETTINGS_ID);
  if (name === '') throw bad('name must not be empty.');
  step.insert(CREATES, {
    name,
    subject,
    preheader: params.textOrNull('preheader'),
    fromName: settings === null ? '' : openedText(settings, 'defaultFromName'),
    fromEmail: settings === null ? '' : openedText(settings, 'defaultFromEmail'),
    replyTo:
      settings === null || textOf(settings, 'defaultReplyTo') === null
        ? null
        : opened(settings, 'defaultReplyTo'),
    content: { tiptap: htmlToDocument(html), html, plainText: plainTextOf(html) },
    templateId: null,
    audience: { filters: [], estimatedCount: 0 },
    scheduledAt: null,
    sentAt: null,
    status: 'draft',
    serverJobId: null,
    stats: null,
  });
  if (settings === null)
    step.insert(CREATES_SETTINGS, {
      defaultFromName: '',
      defaultFromEmail: '',
      defaultReplyTo: null,
      defaultFooter: null,
      dnsCheck: null,
      legalAddress: '',
      unsubscribeLandingCopy: null,
    });
  return `Drafted the campaign ${quoted(name)}.`;
}
