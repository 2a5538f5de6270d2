import { id, oneOf, optionalText, part, quote, text, tool, toolsOf } from './tool.ts';

import { z } from 'zod';

const BLOCKS = [
  'hero',
  'richText',
  'cta',
  'image',
  'gallery',
  'faq',
  'form',
  'moduleEmbed',
  'columns',
  'spacer',
] as const;
const SLUG = 'Name in the address: lower-case letters, digits and hyphens.';

export const website = toolsOf(
  'website',
  ['website', 'homepage', 'landing', 'webseite', 'portfolio'],
  [
    tool({
      name: 'create_website',
      description: 'Create an empty website.',
      parameters: { name: text(), slug: text(SLUG) },
      summarise: ({ name, slug }) => `Create website ${quote(name)}${part(' at ', slug)}`,
    }),
    tool({
      name: 'apply_website_template',
      description: 'Create a website from a template.',
      parameters: {
        templateId: oneOf(['portfolio', 'personal-linktree', 'event', 'blank']),
        name: text(),
        slug: text(SLUG),
      },
      summarise: ({ templateId, name, slug }) =>
        `Create website ${quote(name)}${part(' at ', slug)} from the template ${templateId}`,
    }),
    tool({
      name: 'create_website_page',
      description: 'Add a page to a website.',
      parameters: {
        siteId: id('the website'),
        path: text('Path of the page, starting with /.'),
        title: text(),
      },
      summarise: ({ siteId, path, title }) =>
        `Add page ${quote(title)}${part(' at ', path)} to website ${quote(siteId)}`,
    }),
    tool({
      name: 'add_website_block',
      description: 'Add a block to a page of a website.',
      parameters: {
        pageId: id('the page'),
        type: oneOf(BLOCKS),
        props: z
          .record(z.string(), z.unknown())
          .describe('Content of the block, by its type.')
          .optional(),
        parentBlockId: optionalText('Id of the block that it goes into.'),
        slotKey: optionalText('Slot of that block.'),
      },
      summarise: ({ pageId, type }) => `Add a ${type} block to page ${quote(pageId)}`,
    }),
    tool({
      name: 'update_website_block',
      description: 'Change the content of a block; what the patch leaves out stays.',
      parameters: {
        blockId: id('the block'),
        patch: z.record(z.string(), z.unknown()).describe('The new values by name.'),
      },
      summarise: ({ blockId, patch }) =>
        `Change ${part('', Object.keys(patch).join(', ')) || 'nothing'} of website block ${quote(blockId)}`,
    }),
    tool({
      name: 'publish_website',
      description: 'Make a website visible to everyone.',
      parameters: { siteId: id('the website') },
      summarise: ({ siteId }) => `Publish website ${quote(siteId)}`,
    }),
  ],
);
