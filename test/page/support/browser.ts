import { readFileSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { projectPath } from '../../../scripts/process/project.ts';

export const CHROMIUM = process.env['MANA_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

export async function startChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  });
}

/** What a page said that it should not have: violations of its policy, errors that nobody caught. */
export type Complaints = string[];

export type Visit = { context: BrowserContext; page: Page; complaints: Complaints };

/** A browser of its own, with nothing kept. */
export async function visit(
  browser: Browser,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Visit> {
  const context = await browser.newContext({
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    viewport: { width: 1_200, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  const complaints: Complaints = [];
  const page = await newPage(context, complaints);
  return { context, page, complaints };
}

export async function newPage(context: BrowserContext, complaints: Complaints = []): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted ?Type/i.test(message.text()))
      complaints.push(message.text());
  });
  return page;
}

/** Violations of accessibility on a page as it is now (axe, WCAG 2.0 A to 2.2 AA). */
export async function violationsOf(page: Page): Promise<string[]> {
  const source = readFileSync(projectPath('node_modules/axe-core/axe.min.js'), 'utf8');
  // In a world of its own: the page's policy lets no foreign script in.
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  const contextId = world.executionContextId;
  await session.send('Runtime.evaluate', { contextId, expression: source });
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    contextId,
    awaitPromise: true,
    returnByValue: true,
    expression: `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html, any }) => html.slice(0, 120) + ' ' + (any[0]?.message ?? '')).join(' | ')))`,
  });
  await session.detach();
  if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
  return result.value as string[];
}
