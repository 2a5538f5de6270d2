/** `npm run screenshots`: the pictures of docs/images, from the demo of `npm start`, which has to run. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { parseConsoleConfig } from '../src/config/console.ts';
import { checkedConfig } from './process/checked-config.ts';
import { runOnce } from './process/command.ts';
import { readEnvironment, StartError } from './process/environment.ts';
import { projectPath } from './process/project.ts';

const CHROMIUM = process.env['MANA_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
const WIDE = { width: 1_200, height: 800 };
const PHONE = { width: 390, height: 780 };

async function signInLink(): Promise<{ link: string; origin: string }> {
  const environment = readEnvironment();
  const parsed = parseConsoleConfig(environment);
  if (!parsed.ok) throw new StartError(`${parsed.variable} ${parsed.message}`);
  const path = `${resolve(checkedConfig(environment).dataDir)}/session.json`;
  const { authUrl, token } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  const response = await fetch(`${authUrl}/api/v1/me/sign-in-links`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  const { url } = await response.json<{ url: string }>();
  return { link: url, origin: new URL(url).origin };
}

async function take(page: Page, name: string): Promise<void> {
  // Pictures are of what stands still.
  await page.waitForTimeout(800);
  await page.screenshot({ path: projectPath(`docs/images/${name}.png`) });
  console.log(`wrote docs/images/${name}.png`);
}

async function main(): Promise<void> {
  const { link, origin } = await signInLink();
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox'],
  });
  const context = await browser.newContext({
    viewport: WIDE,
    locale: 'en-GB',
    colorScheme: 'light',
  });
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole('heading', { name: 'Inbox' }).waitFor();
  await page.getByRole('button', { name: 'Not now' }).click();
  await take(page, 'inbox-locked');
  await page.getByRole('banner').getByRole('button', { name: 'Unlock' }).click();
  await page.getByRole('button', { name: 'Lock', exact: true }).waitFor();
  for (const key of ['j', 'a', 'j']) await page.keyboard.press(key);
  await page.evaluate('scrollTo(0, 0)');
  await take(page, 'inbox');
  const plan = await page.locator('[data-plan] header a.end').first().getAttribute('href');
  for (const [name, path] of [
    ['run', plan ?? '/'],
    ['grants', '/grants'],
  ] as const) {
    await page.goto(`${origin}${path}`);
    await take(page, name);
  }
  // One of the demo's missions has to wait: its grant is revoked, as a person would.
  await page.getByRole('button', { name: 'Revoke now' }).last().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke now' }).click();
  await page.getByText('Ended grants').waitFor();
  await page.goto(`${origin}/missions`);
  await take(page, 'missions');
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.goto(origin);
  await take(page, 'phone-dark');
  await browser.close();
}

await runOnce('screenshots', main);
