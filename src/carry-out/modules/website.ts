import { names } from '../names.ts';
import { isRecord } from '../../values/fields.ts';
import { bad } from '../params.ts';
import { needAll, needOne, numberOf, textOf } from '../records.ts';
import { appOnly, type ModuleTools, type Step } from '../step.ts';
import { changes, creates, WEBSITE_BLOCKS, WEBSITE_PAGES, WEBSITES } from '../tables.ts';
import { CannotCarryOut, type ReadRecord } from '../types.ts';
import { quoted } from '../words.ts';
import { blockProps } from './website-blocks.ts';
import { TEMPLATES } from './website-templates.ts';

const CREATES_SITE = creates(
  WEBSITES,
  names('slug name theme navConfig footerConfig settings', 'publishedVersion draftUpdatedAt'),
);
const TOUCHES_SITE = changes(WEBSITES, ['draftUpdatedAt']);
const CREATES_PAGE = creates(WEBSITE_PAGES, ['siteId', 'path', 'title', 'seo', 'order']);
const CREATES_BLOCK = creates(
  WEBSITE_BLOCKS,
  names('pageId parentBlockId slotKey type props schemaVersion order'),
);
/**
 * The app writes the keys of props that changed; a whole value above them would part devices from
 * the runner.
 */
const CHANGES_BLOCK = { ...changes(WEBSITE_BLOCKS, ['props']), byParts: true as const };

/** Between two siblings, so that another one fits between them. */
const GAP = 1024;
const SCHEMA_VERSION = 1;

const RESERVED = new Set(
  `app api auth admin settings docs blog www mail dashboard login logout register signup signin
   account billing help support s`.split(/\s+/),
);
const SLUG = /^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/;
const PATH = /^(?:\/|(?:\/[a-z0-9]+(?:-[a-z0-9]+)*)+)$/;

export const website: ModuleTools = {
  module: 'website',
  appId: 'website',
  tools: {
    create_website: {
      effect: 'create',
      writes: [CREATES_SITE, CREATES_PAGE],
      needs: () => [needAll(WEBSITES)],
      carryOut: createSite,
    },
    apply_website_template: {
      effect: 'create',
      writes: [CREATES_SITE, CREATES_PAGE, CREATES_BLOCK],
      needs: () => [needAll(WEBSITES)],
      carryOut: applyTemplate,
    },
    create_website_page: {
      effect: 'create',
      writes: [CREATES_PAGE, TOUCHES_SITE],
      needs: (params) => [needOne(WEBSITES, params.text('siteId')), needAll(WEBSITE_PAGES)],
      carryOut: createPage,
    },
    add_website_block: {
      effect: 'create',
      writes: [CREATES_BLOCK, TOUCHES_SITE],
      needs: (params, records) => {
        const pageId = params.text('pageId');
        const page = records.find(WEBSITE_PAGES, pageId);
        return [needOne(WEBSITE_PAGES, pageId), needAll(WEBSITE_BLOCKS), ...siteNeed(page)];
      },
      carryOut: addBlock,
    },
    update_website_block: {
      effect: 'change',
      writes: [CHANGES_BLOCK, TOUCHES_SITE],
      needs: (params, records) => {
        const blockId = params.text('blockId');
        const block = records.find(WEBSITE_BLOCKS, blockId);
        const pageId = block === null ? null : textOf(block, 'pageId');
        if (pageId === null) return [needOne(WEBSITE_BLOCKS, blockId)];
        const page = records.find(WEBSITE_PAGES, pageId);
        return [
          needOne(WEBSITE_BLOCKS, blockId),
          needOne(WEBSITE_PAGES, pageId),
          ...siteNeed(page),
        ];
      },
      carryOut: updateBlock,
    },
    publish_website: appOnly('publish'),
  },
};

function siteNeed(page: ReadRecord | null) {
  const siteId = page === null ? null : textOf(page, 'siteId');
  return siteId === null ? [] : [needOne(WEBSITES, siteId)];
}

type NewSite = { slug: string; name: string; items: { label: string; pagePath: string }[] };

function insertSite(step: Step, { slug, name, items }: NewSite): void {
  step.insert(CREATES_SITE, {
    slug,
    name,
    theme: { preset: 'classic' },
    navConfig: { items },
    footerConfig: { text: '', links: [] },
    settings: {},
    publishedVersion: null,
    draftUpdatedAt: step.now,
  });
}

function createSite(step: Step): string {
  const name = step.params.trimmed('name');
  const slug = freeSlug(step);
  insertSite(step, { slug, name, items: [] });
  const page = { siteId: step.idOf(0), path: '/', title: 'Start', seo: {}, order: GAP };
  step.insert(CREATES_PAGE, page);
  return `Created the website ${quoted(name)} at ${slug}.`;
}

function applyTemplate(step: Step): string {
  const { params } = step;
  const templateId = params.text('templateId');
  const pages = Object.hasOwn(TEMPLATES, templateId) ? TEMPLATES[templateId] : undefined;
  if (pages === undefined)
    throw bad(`templateId wants to be one of ${Object.keys(TEMPLATES).join(', ')}.`);
  const name = params.trimmed('name');
  const slug = freeSlug(step);
  const items = pages.map(({ title, path }) => ({ label: title, pagePath: path }));
  insertSite(step, { slug, name, items });
  const siteId = step.idOf(0);
  for (const [index, { path, title, blocks }] of pages.entries()) {
    const pageId = step.idOf(step.writes.length);
    step.insert(CREATES_PAGE, { siteId, path, title, seo: {}, order: (index + 1) * GAP });
    for (const [at, { type, props }] of blocks.entries())
      step.insert(CREATES_BLOCK, {
        pageId,
        parentBlockId: null,
        slotKey: null,
        type,
        props,
        schemaVersion: SCHEMA_VERSION,
        order: (at + 1) * GAP,
      });
  }
  return `Created the website ${quoted(name)} at ${slug} from the template ${templateId}.`;
}

function createPage(step: Step): string {
  const { params, records } = step;
  const site = records.one(WEBSITES, params.text('siteId'), 'website');
  const path = params.trimmed('path').toLowerCase();
  const title = params.trimmed('title');
  if (!PATH.test(path))
    throw bad('path wants / or segments of a-z, 0-9 and hyphens, as /about-me.');
  const pages = records.live(WEBSITE_PAGES).filter(({ data }) => data['siteId'] === site.recordId);
  if (pages.some(({ data }) => data['path'] === path))
    throw new CannotCarryOut('NOT_POSSIBLE', `The website has a page at ${path} already.`);
  const order = greatestOrder(pages) + GAP;
  step.insert(CREATES_PAGE, { siteId: site.recordId, path, title, seo: {}, order }, site);
  touch(step, site);
  return `Added the page ${quoted(title)} at ${path}.`;
}

function addBlock(step: Step): string {
  const { params, records } = step;
  const page = records.one(WEBSITE_PAGES, params.text('pageId'), 'page');
  const parentBlockId = params.textOrNull('parentBlockId');
  const type = params.text('type');
  const siblings = records
    .live(WEBSITE_BLOCKS)
    .filter(
      ({ data }) =>
        data['pageId'] === page.recordId && (data['parentBlockId'] ?? null) === parentBlockId,
    );
  if (parentBlockId !== null) records.one(WEBSITE_BLOCKS, parentBlockId, 'block');
  step.insert(
    CREATES_BLOCK,
    {
      pageId: page.recordId,
      parentBlockId,
      slotKey: params.textOrNull('slotKey'),
      type,
      props: blockProps(type, params.optionalObject('props')),
      schemaVersion: SCHEMA_VERSION,
      order: greatestOrder(siblings) + GAP,
    },
    page,
  );
  touchSiteOf(step, page);
  return `Added a ${type} block to the page ${quoted(textOf(page, 'title') ?? page.recordId)}.`;
}

function updateBlock(step: Step): string {
  const { params, records } = step;
  const block = records.one(WEBSITE_BLOCKS, params.text('blockId'), 'block');
  const patch = params.optionalObject('patch');
  if (patch === null) throw bad('patch wants to be an object.');
  const type = textOf(block, 'type') ?? '';
  const before = isRecord(block.data['props']) ? block.data['props'] : {};
  step.update(CHANGES_BLOCK, block, { props: blockProps(type, { ...before, ...patch }) });
  const page = records.find(WEBSITE_PAGES, textOf(block, 'pageId') ?? '');
  if (page !== null) touchSiteOf(step, page);
  return `Changed ${Object.keys(patch).join(', ') || 'nothing'} of a ${type} block.`;
}

function touchSiteOf(step: Step, page: ReadRecord): void {
  const site = step.records.find(WEBSITES, textOf(page, 'siteId') ?? '');
  if (site !== null) touch(step, site);
}

/** Everybody's change moves that moment on, so nobody's stands against it. */
function touch(step: Step, site: ReadRecord): void {
  step.update(TOUCHES_SITE, { ...site, stamps: {} }, { draftUpdatedAt: step.now });
}

function freeSlug(step: Step): string {
  const slug = step.params.trimmed('slug').toLowerCase();
  if (!SLUG.test(slug) || RESERVED.has(slug))
    throw bad(
      'slug wants 2 to 40 of a-z, 0-9 and hyphens, none at either end, and no reserved word.',
    );
  if (step.records.live(WEBSITES).some(({ data }) => data['slug'] === slug))
    throw new CannotCarryOut('NOT_POSSIBLE', `There is a website at ${slug} already.`);
  return slug;
}

function greatestOrder(records: readonly ReadRecord[]): number {
  return Math.max(0, ...records.map((record) => numberOf(record, 'order') ?? 0));
}
