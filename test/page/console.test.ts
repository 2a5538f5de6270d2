import { networkInterfaces } from 'node:os';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decryptField, deriveRecordKeys } from '../../src/grants/index.ts';
import { newPage, startChromium, violationsOf, visit } from './support/browser.ts';
import { type House, openHouse, Resident, tasksOf } from './support/house.ts';
import { waitFor } from '../system/support/runner.ts';

let house: House;
let browser: Browser;

beforeAll(async () => {
  house = await openHouse();
  browser = await startChromium();
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await house?.dispose();
});

const step = (page: Page, n: number) => page.locator('[data-step]').nth(n);
const unlockButton = (page: Page) =>
  page.getByRole('banner').getByRole('button', { name: 'Unlock' });

/** Signed in by a link, and unlocked. */
async function enter(resident: Resident, page: Page): Promise<void> {
  await page.goto(await resident.link());
  await page.getByRole('heading', { name: 'Inbox' }).waitFor();
  await unlockButton(page).click();
  await page.getByRole('button', { name: 'Lock', exact: true }).waitFor();
}

describe('signing in', () => {
  test('a link signs in once, and the address keeps no secret', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Milk'));
    const link = await resident.link();
    const first = await visit(browser);
    const secret = link.split('#sign-in=')[1] ?? '';
    await first.page.goto(link);
    await first.page.getByRole('heading', { name: 'Inbox' }).waitFor();
    expect(first.page.url()).toBe(`${house.runner.consoleUrl}/`);
    expect(await first.page.evaluate(() => JSON.stringify(history.state))).not.toContain(secret);
    const second = await visit(browser);
    await second.page.goto(link);
    await second.page.getByText('This link was used').waitFor();
    expect(first.complaints.concat(second.complaints)).toEqual([]);
    await Promise.all([first.context.close(), second.context.close()]);
  });

  test('a link that is pasted into an open tab signs in', async () => {
    const resident = new Resident(house);
    const { page, context } = await visit(browser);
    await page.goto(house.runner.consoleUrl);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const { hash } = new URL(await resident.link());
    await page.evaluate((fragment) => void (location.hash = fragment), hash);
    await page.getByRole('heading', { name: 'Inbox' }).waitFor();
    await context.close();
  });

  test('the session ends with sign-out, and nothing of the person stays', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Milk'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.goto(`${house.runner.consoleUrl}/settings`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const kept = await page.evaluate(
      () =>
        new Promise<string[]>((done) => {
          const open = indexedDB.open('mana-console');
          open.addEventListener('success', () => {
            const keys = open.result.transaction('kept').objectStore('kept').getAllKeys();
            keys.addEventListener('success', () => done(keys.result.map(String)));
          });
        }),
    );
    expect(kept.filter((name) => ['session', 'keys', 'marks', 'batches'].includes(name))).toEqual(
      [],
    );
    await context.close();
  });

  test('at http://<address> the page says that this is not safe, and what to open', async () => {
    const [address] = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal);
    expect(address).toBeDefined();
    const { page, context } = await visit(browser);
    await page.goto(`http://${address?.address}:${new URL(house.runner.consoleUrl).port}/`);
    await page.getByRole('heading', { name: 'This address is not safe to use' }).waitFor();
    await page.getByText('http://localhost:').waitFor();
    await context.close();
  });
});

describe('locked and unlocked', () => {
  test('locked: no plaintext and no decision; unlocked: open, also after a reload; the key is not to be had', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Oat milk', 'Bread'));
    const { page, context, complaints } = await visit(browser);
    await page.goto(await resident.link());
    await step(page, 0).waitFor();
    expect(await page.content()).not.toMatch(/Oat milk|Bread|Three things/);
    expect(await page.getByRole('button', { name: 'Approve', exact: true }).count()).toBe(0);
    await page.keyboard.press('j');
    await page.keyboard.press('a');
    expect(await page.locator('[data-mark]').count()).toBe(0);
    await unlockButton(page).click();
    await page.getByText("Create task 'Oat milk'").first().waitFor();
    await page.reload();
    await page.getByText("Create task 'Oat milk'").first().waitFor();
    const exported = await page.evaluate(
      () =>
        new Promise<string[]>((done) => {
          const open = indexedDB.open('mana-console');
          open.addEventListener('success', () => {
            const get = open.result.transaction('kept').objectStore('kept').get('keys');
            get.addEventListener('success', () => {
              const { masterKey, appKey } = get.result as Record<string, CryptoKey>;
              const tried = [masterKey, appKey].map((key) =>
                crypto.subtle.exportKey('raw', key as CryptoKey).then(
                  () => 'exported',
                  (error: Error) => error.name,
                ),
              );
              void (async () => done(await Promise.all(tried)))();
            });
          });
        }),
    );
    for (const refusal of exported)
      expect(refusal).toMatch(/^(?:InvalidAccess|NotSupported)Error$/);
    await page.getByRole('button', { name: 'Lock', exact: true }).click();
    await page.getByText("Create task 'Oat milk'").first().waitFor({ state: 'detached' });
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('in zero-knowledge mode the recovery code unlocks, and a wrong one does not', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Oat milk'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.goto(`${house.runner.consoleUrl}/settings`);
    await page.getByRole('button', { name: 'New recovery code' }).click();
    const code = (await page.locator('[data-code]').textContent())?.trim() ?? '';
    await page.getByRole('button', { name: 'I have written it down' }).click();
    await page.getByRole('button', { name: 'Zero-knowledge mode' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Zero-knowledge mode' }).click();
    await page.getByText('Zero knowledge: only').waitFor();
    await page.getByRole('button', { name: 'Lock', exact: true }).click();
    await unlockButton(page).click();
    await page.getByRole('dialog').getByLabel('Recovery code').fill('0'.repeat(64));
    await page.getByRole('button', { name: 'Unlock by code' }).click();
    await page.getByText('This code does not open your vault').waitFor();
    await page.getByRole('dialog').getByLabel('Recovery code').fill(code);
    await page.getByRole('button', { name: 'Unlock by code' }).click();
    await page.getByRole('button', { name: 'Lock', exact: true }).waitFor();
    await context.close();
  });
});

describe('deciding', () => {
  test('`j j a` without pauses marks the step in focus and no other', async () => {
    const resident = new Resident(house);
    const { stepIds } = await resident.plan(tasksOf('One', 'Two', 'Three', 'Four'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.getByText("Create task 'Four'").first().waitFor();
    await page.locator('h1').click();
    for (const key of ['j', 'j', 'a']) await page.keyboard.press(key);
    await page.locator('[data-mark=approve]').waitFor();
    const marked = await page
      .locator('[data-mark]')
      .evaluateAll((steps) =>
        steps.map((one) => (one as HTMLElement).dataset['step']?.split('\n')[1]),
      );
    expect(marked).toEqual([stepIds[1]]);
    await context.close();
  });

  test('an approved task is in the log, encrypted, once; the step is approved, and the page says so', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Oat milk'));
    const { page, context, complaints } = await visit(browser);
    await enter(resident, page);
    await page.getByText("Create task 'Oat milk'").first().waitFor();
    await page.locator('h1').click();
    await page.keyboard.press('j');
    await page.keyboard.press('a');
    await page.locator('[data-mark=approve]').waitFor();
    await page.keyboard.press('Control+Enter');
    await page.getByRole('button', { name: 'Send now' }).click();
    await page.locator('[data-outcome=carried-out]').waitFor();
    const rows = await resident.rows('todo');
    expect(rows).toHaveLength(1);
    const [{ data, record_id: recordId }] = rows as [
      { data: { title: string }; record_id: string },
    ];
    expect(JSON.stringify(data)).not.toContain('Oat milk');
    const ref = { tableName: 'tasks', recordId };
    const opened = await decryptField({
      keys: await deriveRecordKeys(await resident.masterKey(), ref, [1]),
      ref,
      path: 'title',
      text: data.title,
    });
    expect(opened).toMatchObject({ ok: true, value: 'Oat milk' });
    await page.getByRole('link', { name: 'Look at it' }).click();
    await page.getByRole('heading', { name: 'Oat milk' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  test('two tabs that approve one step together carry it out once', async () => {
    const resident = new Resident(house);
    const { missionId } = await resident.plan(tasksOf('Oat milk'));
    const first = await visit(browser);
    const second = await visit(browser);
    for (const { page } of [first, second]) {
      await enter(resident, page);
      await page.getByRole('button', { name: 'Approve', exact: true }).click();
      await page.getByRole('button', { name: 'Send 1 decision' }).click();
    }
    await Promise.all(
      [first, second].map(({ page }) => page.getByRole('button', { name: 'Send now' }).click()),
    );
    await waitFor(
      async () => {
        const { mission } = await resident.api<{
          mission: { iterations: { plan: { status: string }[] }[] };
        }>(`/api/v1/me/missions/${missionId}`);
        return mission.iterations[0]?.plan[0]?.status === 'approved' || undefined;
      },
      'the approval',
      20_000,
    );
    expect(await resident.rows('todo')).toHaveLength(1);
    await Promise.all([first.context.close(), second.context.close()]);
  });

  test('a step that a device changes loses its mark, is shown old and new, and the others keep theirs', async () => {
    const resident = new Resident(house);
    const plan = await resident.plan(tasksOf('One', 'Two'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.getByText("Create task 'Two'").first().waitFor();
    for (const button of await page.getByRole('button', { name: 'Approve', exact: true }).all())
      await button.click();
    await expect.poll(() => page.locator('[data-mark=approve]').count()).toBe(2);
    const [one] = tasksOf('One');
    const stored = await resident.api<{ mission: { iterations: { plan: unknown[] }[] } }>(
      `/api/v1/me/missions/${plan.missionId}`,
    );
    // The first step stays word for word as it is stored: only the second is sealed anew.
    await resident.rewritePlan(
      plan,
      [one, ...tasksOf('Something else')].filter((s) => s !== undefined),
    );
    void stored;
    await page.locator('[data-changed]').first().waitFor();
    await page.getByText("Create task 'Something else'").first().waitFor();
    expect(await page.locator(`[data-changed="${plan.stepIds[1]}"]`).textContent()).toContain(
      "Create task 'Two'",
    );
    expect(await resident.rows('todo')).toEqual([]);
    await context.close();
  });

  test('decisions wait, can be taken back, and outlive a crash of the tab', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Oat milk'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.getByRole('button', { name: 'Reject', exact: true }).click();
    await page.getByRole('button', { name: 'Send 1 decision' }).click();
    await page.getByText('Sends in').waitFor();
    await page.locator('h1').click();
    await page.keyboard.press('z');
    await page.locator('[data-mark=reject]').waitFor();
    await page.getByRole('button', { name: 'Send 1 decision' }).click();
    await page.getByText('Sends in').waitFor();
    await page.close({ runBeforeUnload: false });
    const again = await newPage(context);
    await again.goto(house.runner.consoleUrl);
    await again.locator('[data-outcome=rejected]').waitFor({ timeout: 15_000 });
    await context.close();
  });

  test('an edit is sealed in the page, and what is carried out is what was edited', async () => {
    const resident = new Resident(house);
    await resident.plan(tasksOf('Oat milk'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.getByText("Create task 'Oat milk'").first().waitFor();
    await page.locator('h1').click();
    await page.keyboard.press('j');
    await page.keyboard.press('e');
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.postData() ?? ''));
    await page
      .getByRole('dialog')
      .getByLabel(/^title/)
      .last()
      .fill('Soy milk');
    await page.getByRole('dialog').getByRole('button', { name: 'Edited and approved' }).click();
    await page.getByRole('button', { name: 'Send 1 decision' }).click();
    await page.getByRole('button', { name: 'Send now' }).click();
    await page.locator('[data-outcome=carried-out]').getByText('Soy milk').waitFor();
    expect(sent.join('\n')).not.toContain('Soy milk');
    expect(await resident.rows('todo')).toHaveLength(1);
    await context.close();
  });

  test('deleting is decided one by one: `A` leaves it out', async () => {
    const resident = new Resident(house);
    await resident.task('task-1', 'Old');
    await resident.plan([
      ...tasksOf('One', 'Two'),
      { summary: 'Undo the drink', toolName: 'undo_drink', params: {} },
    ]);
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.getByText("Create task 'Two'").first().waitFor();
    await page.locator('h1').click();
    await page.keyboard.press('j');
    await page.keyboard.press('Shift+A');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('create_task: 2').waitFor();
    await dialog.getByRole('button', { name: 'Approve all 2' }).click();
    await expect.poll(() => page.locator('[data-mark=approve]').count()).toBe(2);
    await context.close();
  });

  test('markup in a title is text', async () => {
    const resident = new Resident(house);
    const title = '<img src=x onerror="document.title=1"><b>Milk</b>';
    await resident.plan(tasksOf(title), { title });
    const { page, context, complaints } = await visit(browser);
    await enter(resident, page);
    await page.getByRole('heading', { name: title }).waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    expect(await page.title()).toContain('Inbox');
    expect(complaints).toEqual([]);
    await context.close();
  });
});

describe('several tabs', () => {
  test('eight tabs are all live by one stream, and none is stuck', async () => {
    const resident = new Resident(house);
    const plan = await resident.plan(tasksOf('One'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    const pages = [page];
    while (pages.length < 8) {
      const next = await newPage(context);
      await next.goto(house.runner.consoleUrl);
      pages.push(next);
    }
    for (const one of pages) {
      await one.getByText("Create task 'One'").first().waitFor();
      await one.getByRole('status').getByText('Live').waitFor();
    }
    await resident.rewritePlan(plan, tasksOf('Another'));
    for (const one of pages) await one.getByText("Create task 'Another'").first().waitFor();
    await context.close();
  }, 90_000);

  test('after a restart of the process the stream goes on and the marks are there', async () => {
    const resident = new Resident(house);
    const plan = await resident.plan(tasksOf('One', 'Two'));
    const { page, context } = await visit(browser);
    await enter(resident, page);
    await page.getByRole('button', { name: 'Approve', exact: true }).first().click();
    await page.locator('[data-mark=approve]').waitFor();
    await house.runner.stop();
    await page.getByRole('status').getByText('Live').waitFor({ state: 'detached' });
    await house.runner.restart();
    await page.getByRole('status').getByText('Live').waitFor({ timeout: 45_000 });
    expect(await page.locator('[data-mark=approve]').count()).toBe(1);
    await resident.rewritePlan(plan, tasksOf('After the restart', 'Two'));
    await page.getByText('After the restart').first().waitFor({ timeout: 20_000 });
    await context.close();
  }, 120_000);
});

describe('every page', () => {
  const PAGES = [
    '/',
    '/missions',
    '/missions/new',
    '/records/todo',
    '/grants',
    '/audit',
    '/settings',
    '/nowhere',
  ];

  test.each([
    ['light', 1_200],
    ['dark', 1_200],
    ['light', 320],
    ['dark', 390],
  ] as const)(
    'in %s at %i px breaks no rule of accessibility and none of its policy',
    async (colorScheme, width) => {
      const resident = new Resident(house);
      await resident.task('task-1', 'Old task');
      const { missionId, iterationId } = await resident.plan(tasksOf('One', 'Two'));
      const { page, context, complaints } = await visit(browser, {
        colorScheme,
        viewport: { width, height: 800 },
      });
      await page.goto(await resident.link());
      await step(page, 0).waitFor();
      const found: Record<string, string[]> = { locked: await violationsOf(page) };
      await unlockButton(page).click();
      await page.getByText("Create task 'One'").first().waitFor();
      const paths = [
        ...PAGES,
        `/missions/${missionId}`,
        `/missions/${missionId}/edit`,
        `/missions/${missionId}/runs/${iterationId}`,
      ];
      for (const path of paths) {
        await page.goto(`${house.runner.consoleUrl}${path}`);
        await page.locator('h1').first().waitFor();
        found[path] = await violationsOf(page);
        const over = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect([path, over]).toEqual([path, 0]);
      }
      expect(Object.fromEntries(Object.entries(found).filter(([, all]) => all.length > 0))).toEqual(
        {},
      );
      expect(complaints).toEqual([]);
      await context.close();
    },
    120_000,
  );

  test('speaks German where the browser does', async () => {
    const resident = new Resident(house);
    const { page, context, complaints } = await visit(browser, { locale: 'de-DE' });
    await page.goto(await resident.link());
    await page.getByRole('heading', { name: 'Eingang' }).waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe('de');
    expect(complaints).toEqual([]);
    await context.close();
  });
});
