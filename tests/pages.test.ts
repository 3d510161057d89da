import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isAlive } from '#lab/databases.ts';
import { findChromium, howToGetOne, launchChromium } from '#tools/chromium.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { steps } from '#tools/steps.ts';
import { ada } from './browser.ts';
import { areUp, LabProcess, stateOf } from './lab-process.ts';
import { barriers, focused, openWindow, says, tabTo } from './screen.ts';
import { temporaryEnvironment } from './temporary.ts';

const actOne = steps.slice(0, 4);
const keeps = (step: string) => step >= '03';

/** On a reader's machine there may be no browser; where every push is checked, there must be one. */
const isSkipped = !findChromium() && process.env.CI !== 'true';
if (isSkipped) console.warn(`The tests in a browser are skipped. ${howToGetOne}`);

describe.skipIf(isSkipped)('in a real browser', () => {
  let browser: Browser;
  let lab: LabProcess;

  beforeAll(async () => {
    browser = await launchChromium();
    lab = await LabProcess.start();
    await stateOf(lab.url, areUp);
    // The lab is told to stop while pages may be open: it ends in order, and leaves nothing behind.
    return async () => {
      const processes = await lab.processes();
      expect(await lab.end('SIGTERM'), 'exit code').toBe(0);
      expect(processes.filter(isAlive), 'processes left').toEqual([]);
      expect(await lab.folders(), 'databases left').toEqual([]);
      await browser.close();
    };
  });

  describe('log in by the form of each step, then crash everything in the lab', () => {
    const pages = new Map<string, Page>();
    const stored = new Map<string, { facts: string; payload: string; marks: string[] }>();
    let labPage: Page;

    // The whole story, once; the tests are what there is to see.
    beforeAll(async () => {
      const { open, close } = await openWindow(browser, { viewport: { width: 1440, height: 900 } });
      for (const step of actOne) {
        const page = await open(`${lab.url}/${step}/`);
        pages.set(step, page);
        await says(page, '#headline', 'You are not logged in.');
        await page.getByRole('button', { name: 'Log in' }).click();
        await says(page, '#headline', 'Logged in as demo.');
        stored.set(step, {
          facts: (await page.locator('#store-facts').textContent()) ?? '',
          payload: (await page.locator('#payload').textContent()) ?? '',
          marks: await page.locator('#payload mark .why').allTextContents(),
        });
      }
      labPage = await open(lab.url);
      await labPage.getByRole('button', { name: 'Log in everywhere' }).click();
      await says(labPage, '#news', /^Logged in to steps 01, 02, 03 and 04 as demo\./);
      await labPage.getByRole('button', { name: 'Crash everything' }).click();
      await says(labPage, '#news', /^You are/);
      await labPage.locator('summary:visible').first().click();
      return close;
    }, 60_000);

    test('the lab shows: lost, lost, kept, kept', async () => {
      await says(
        labPage,
        '#news',
        'You are logged out of steps 01 and 02. You are still logged in to steps 03 and 04.',
      );
      const fates = await labPage.locator('.fate strong').allTextContents();
      expect(fates.slice(0, 4)).toEqual(['lost', 'lost', 'kept', 'kept']); // those that run from the start
      const rows = await labPage.locator('#seen tr').all();
      const cells = rows.slice(0, 4).map((row) => row.locator('th, td').allTextContents());
      expect(await Promise.all(cells)).toEqual([
        ['01-in-memory', '–', 'lost', 'user id, user name, password hash', '–'],
        ['02-pruned-memory', '–', 'lost', 'user id, user name, password hash', '–'],
        ['03-knex-sqlite', '–', 'kept', 'user id, user name, password hash', '–'],
        ['04-minimal-payload', '–', 'kept', 'user id', '–'],
      ]);
    });

    test.for(actOne)('the page of %s has shown the session as it is stored', (step) => {
      const isMinimal = step === '04-minimal-payload';
      const { facts = '', payload, marks } = stored.get(step) ?? {};
      expect(facts).toMatch(keeps(step) ? /KnexStore.*Column sid.*Column expired/s : /MemoryStore/);
      expect(payload).toMatch(isMinimal ? /"userId": 1/ : /"password_hash": "\$2b\$10\$.{53}"/);
      expect(marks).toEqual(
        isMinimal
          ? []
          : ['↑ the user name does not belong here', '↑ the password hash does not belong here'],
      );
    });

    test.for(actOne)('the page of %s tells what became of the login', async (step) => {
      const page = pages.get(step);
      if (!page) throw new Error('It was not opened.');
      const outcome = keeps(step) ? 'You are still logged in as demo.' : 'You are logged out.';
      await says(page, '#headline', outcome);
      await says(page, '#detail', /^The server is back \(process \d+ → \d+\)\./);
      await says(page, '#who', keeps(step) ? 'demo' : 'nobody it knows');
      await says(
        page,
        '#cookie',
        keeps(step) ? /^sid = s:.{8}…$/ : /The server no longer knows it/,
      );
      await says(page, '#cookie-script', /^No\./);
      await says(page, '#log', /logged (in|out).*is back.*went away.*Logged in as demo/is);
    });

    test.for([
      ['light', 1440],
      ['dark', 360],
    ] as const)(
      'axe finds nothing serious, in %s, %i pixels wide',
      async ([colorScheme, width]) => {
        const look = [labPage, pages.get('03-knex-sqlite')];
        for (const page of look) {
          await page?.setViewportSize({ width, height: 900 });
          await page?.emulateMedia({ colorScheme });
          expect(page && (await barriers(page)), page?.url()).toEqual([]);
          const widest = await page?.evaluate(() => document.documentElement.scrollWidth);
          expect(widest, `wider than the screen: ${page?.url()}`).toBe(width);
        }
      },
    );

    test('a day passes in the lab: only step 01 keeps what has expired', async () => {
      await labPage.getByRole('button', { name: 'Log in everywhere' }).click();
      await says(labPage, '#news', /^Logged in to steps 01, 02, 03 and 04 as demo\./);
      await labPage.getByRole('button', { name: 'Let a day pass' }).click();
      await says(
        labPage,
        '#news',
        'A day has passed, and everybody is logged out. ' +
          'The expired sessions are deleted in steps 02, 03 and 04. They are still stored in step 01.',
      );
      const expired = await labPage.locator('#seen td:last-child').allTextContents();
      expect(expired.slice(0, 4)).toEqual(['left in the store', 'deleted', 'deleted', 'deleted']);
      expect(await labPage.locator('.who').allTextContents()).not.toContain('demo');
    });

    test('looking whether a server is there goes without the cookie, and so prolongs no session', async () => {
      const request = await pages.get('03-knex-sqlite')?.waitForRequest(/\/inspect$/);
      expect(await request?.allHeaders()).not.toHaveProperty('cookie');
    });
  });

  test('with the keyboard alone: log in on the page of a step, and restart it in the lab', async () => {
    const page = await openPage(`${lab.url}/04-minimal-payload/`);
    await says(page, '#headline', 'You are not logged in.');
    await tabTo(page, 'Log in');
    await page.keyboard.press('Enter');
    await says(page, '#who', 'demo');
    expect(await focused(page), 'the focus goes on at what took its place').toBe('Log out');

    await page.goto(lab.url);
    await says(page, '[data-step="04-minimal-payload"] .who', 'demo');
    await tabTo(page, 'Restart step 04');
    await page.keyboard.press('Enter');
    await says(page, '#news', 'Step 04 is back, and still knows you as demo.');
    expect(await focused(page), 'the focus stays').toBe('Restart step 04');
    await says(page, '#seen [data-step="04-minimal-payload"] td', 'kept');
  });

  test('the lab shows a step as down that was killed elsewhere, and why one does not start', async () => {
    const step = '02-pruned-memory';
    const [folder = ''] = await lab.folders();
    const file = join(folder, `${step}.sqlite3`);
    const card = (part: string) => `.step[data-step="${step}"] ${part}`;
    const page = await openPage(lab.url);
    await says(page, card('.process'), /^process \d+$/);
    const processId = (await stateOf(lab.url)).find((state) => state.step === step)?.processId;
    if (!processId) throw new Error('It does not run.');
    process.kill(processId, 'SIGKILL');
    await says(page, card('.process'), 'down, killed');
    await page.goto(`${lab.url}/${step}/`);
    await says(page, '#headline', 'The server went away.');

    await page.goto(lab.url);
    await rename(file, `${file}.away`);
    await mkdir(file);
    const start = page.getByRole('button', { name: 'Start step 02', exact: true });
    await start.click();
    await says(page, card('.error'), /^Cannot open the database .*DATABASE_URL.*\.$/);
    await rm(file, { recursive: true });
    await rename(`${file}.away`, file);
    await start.click();
    await says(page, card('.process'), /^process \d+$/);
  });

  test('a page notices within 2 seconds that its server went away, and that it is back', async () => {
    const environment = await temporaryEnvironment();
    let server = await ServerProcess.start('03-knex-sqlite', environment);
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    const page = await openPage(server.url);
    await page.getByLabel('Username').fill(ada.username);
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button', { name: 'Register' }).click();
    await says(page, '#refusal', 'A password has at least 8 characters.');
    await page.getByLabel('Password').fill(ada.password);
    await page.getByRole('button', { name: 'Register' }).click();
    await says(page, '#headline', 'Registered and logged in as ada.');
    const { port } = new URL(server.url);
    await server.end('SIGTERM');
    await says(page, '#headline', 'The server went away.', 2000);
    server = await ServerProcess.start('03-knex-sqlite', { ...environment, PORT: port });
    await says(page, '#headline', 'You are still logged in as ada.', 2000);
    await page.getByRole('button', { name: 'Log out' }).click();
    await says(page, '#headline', 'You logged out.');
    await says(page, '#store-empty', 'There is nothing about you. Log in, and look here.');
  });

  test('a page breaks the database of step 04 and mends it: the server dies, the session is kept', async () => {
    const step = '04-minimal-payload';
    const environment = await temporaryEnvironment();
    let server = await ServerProcess.start(step, environment);
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    const page = await openPage(server.url, { breaksDatabase: true });
    await page.getByRole('button', { name: 'Log in' }).click();
    await says(page, '#headline', 'Logged in as demo.');
    await page.getByRole('button', { name: 'Break the database' }).click();
    await says(page, '#headline', 'The server went away.');
    await says(page, '#detail', /^It died with its database\./);
    expect(await server.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such table: sessions'),
    });
    const { port } = new URL(server.url);
    server = await ServerProcess.start(step, { ...environment, PORT: port });
    await says(page, '#headline', 'You are logged out.');
    await page.getByRole('button', { name: 'Mend the database' }).click();
    await says(page, '#headline', 'The database is back. You are logged in as demo.');
  });

  test('in the lab, step 05 is started when it is asked for, and outlasts its database', async () => {
    const card = (part: string) => `.step[data-step="05-durable"] ${part}`;
    const page = await openPage(lab.url, { breaksDatabase: true });
    await says(page, card('.process'), 'down');
    await page.getByRole('button', { name: 'Start step 05', exact: true }).click();
    await says(page, card('.process'), /^process \d+$/);
    const startedAs = await page.locator(card('.process')).textContent();
    await page.getByRole('button', { name: 'Log in everywhere' }).click();
    await says(page, '#news', /^Logged in to steps .* and 05 as demo\./); // the others are slower, perhaps
    await says(page, card('.who'), 'demo');
    await page.getByRole('button', { name: 'Break database step 05' }).click();
    await says(page, '#news', /^The database of step 05 fails\. Its server says so, and goes on\./);
    await says(page, card('.who'), 'it cannot tell');
    await page.getByRole('button', { name: 'Mend database step 05' }).click();
    await says(page, '#news', 'The database of step 05 is back, and you are still logged in.');
    await says(page, card('.who'), 'demo');
    expect(await page.locator(card('.process')).textContent(), 'restarted').toBe(startedAs);
  });

  test('in production, where there is no /inspect, the login works and the page says why it shows no more', async () => {
    const { open, close } = await openWindow(browser);
    onTestFinished(close);
    const page = await open(`${lab.url}/01-in-memory/`, { '**/inspect': 404 });
    await page.getByRole('button', { name: 'Log in' }).click();
    await says(page, '#who', 'demo');
    await says(page, '#process', 'not told in production');
    await says(page, '#store-empty', /^With NODE_ENV=production this server does not show/);
  });

  /** A page in a window of its own, which closes with the test. */
  async function openPage(url: string, options = {}): Promise<Page> {
    const { open, close } = await openWindow(browser, options);
    onTestFinished(close);
    return open(url);
  }
});
