import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type Browser as Firefox, launch } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/process/free-port.ts';
import { waitFor } from '../system/support/runner.ts';
import { type House, openHouse, Resident, tasksOf } from './support/house.ts';

/** What the main way needs of an engine: go to an address, and evaluate an expression in the page. */
type Driver = {
  open(url: string): Promise<void>;
  reload(): Promise<void>;
  evaluate<T>(expression: string): Promise<T>;
  close(): Promise<void>;
};

let house: House;
beforeAll(async () => {
  house = await openHouse();
}, 120_000);
afterAll(() => house?.dispose());

async function startFirefox(): Promise<Driver> {
  const browser: Firefox = await launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
  });
  const page = await browser.newPage();
  return {
    open: async (url) => void (await page.goto(url, { waitUntil: 'domcontentloaded' })),
    reload: async () => void (await page.reload({ waitUntil: 'domcontentloaded' })),
    evaluate: async <T>(expression: string) => (await page.evaluate(expression)) as T,
    close: () => browser.close(),
  };
}

const MINI_BROWSER = [
  '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
  '/usr/lib/aarch64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
].find((path) => existsSync(path));

/** WebKitGTK by WebKitWebDriver (W3C WebDriver), on a screen of its own. */
async function startWebKit(): Promise<Driver> {
  const port = await freePort();
  const screen = 100 + (port % 500);
  const display: ChildProcess = spawn('Xvfb', [`:${screen}`, '-screen', '0', '1280x900x24']);
  const driver = spawn('WebKitWebDriver', [`--port=${port}`], {
    env: { ...process.env, DISPLAY: `:${screen}`, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' },
  });
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { value } = (await response.json()) as { value: unknown };
    if (!response.ok) throw new Error(JSON.stringify(value));
    return value;
  };
  await waitFor(
    async () => (await ask('GET', '/status').catch(() => undefined)) ?? undefined,
    'WebKitWebDriver',
    20_000,
  );
  const capabilities = {
    browserName: 'MiniBrowser',
    'webkitgtk:browserOptions': { binary: MINI_BROWSER, args: ['--automation'] },
  };
  const { sessionId } = (await ask('POST', '/session', {
    capabilities: { alwaysMatch: capabilities },
  })) as { sessionId: string };
  const session = `/session/${sessionId}`;
  return {
    open: async (url) => void (await ask('POST', `${session}/url`, { url })),
    reload: async () => void (await ask('POST', `${session}/refresh`, {})),
    evaluate: async <T>(expression: string) =>
      (await ask('POST', `${session}/execute/sync`, {
        script: `return (${expression})`,
        args: [],
      })) as T,
    close: async () => {
      await ask('DELETE', session).catch(() => undefined);
      for (const child of [driver, display]) {
        child.kill();
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
    },
  };
}

const text = 'document.body.innerText';
const button = (name: string): string =>
  `[...document.querySelectorAll('button')].find((one) => one.textContent.trim().startsWith(${JSON.stringify(name)}) && !one.disabled)`;

async function shows(driver: Driver, words: string): Promise<void> {
  await waitFor(
    async () => (await driver.evaluate<string>(text)).includes(words) || undefined,
    `the words ${words}`,
    30_000,
  );
}

async function press(driver: Driver, name: string): Promise<void> {
  await waitFor(
    async () => (await driver.evaluate<boolean>(`${button(name)} !== undefined`)) || undefined,
    `the button ${name}`,
    30_000,
  );
  await driver.evaluate(`(${button(name)}.click(), true)`);
}

describe('the main way: link, unlock, decide, carried out, reload', () => {
  test.each([
    ['Firefox', startFirefox],
    ['WebKit', startWebKit],
  ] as const)(
    'in %s',
    async (_name, start) => {
      const resident = new Resident(house);
      await resident.plan(tasksOf('Oat milk'));
      const driver = await start();
      try {
        await driver.open(await resident.link());
        await shows(driver, 'Inbox');
        expect(await driver.evaluate<string>('location.hash')).toBe('');
        await press(driver, 'Unlock');
        await shows(driver, "Create task 'Oat milk'");
        await press(driver, 'Approve');
        await press(driver, 'Send 1 decision');
        await press(driver, 'Send now');
        await waitFor(
          async () => (await resident.rows('todo')).length === 1 || undefined,
          'the task in the log',
          30_000,
        );
        await driver.reload();
        await shows(driver, 'Nothing waits for you.');
        const passkeys = await driver.evaluate<boolean>(`'PublicKeyCredential' in globalThis`);
        await driver.open(`${house.runner.consoleUrl}/settings`);
        await shows(driver, 'Passkeys');
        await shows(
          driver,
          passkeys ? 'Add a passkey' : 'This browser, or this address, has no passkeys.',
        );
      } finally {
        await driver.close();
      }
    },
    120_000,
  );
});
