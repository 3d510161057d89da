import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { launchChromium } from '#tools/chromium.ts';
import { barriers, isBrowserMissing, openWindow, says } from '../browser-window.ts';
import { startServer } from '../spawn.ts';
import { temporaryEnvironment } from '../temporary.ts';

describe.skipIf(isBrowserMissing)('the page of a step, in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  describe.each(['01-in-memory', '05-failing-database'])('of %s', (step) => {
    const isInMemory = step === '01-in-memory';

    test('before anything: offers the login, and shows nothing that does not exist yet', async () => {
      const { page } = await open(step);
      await says(page, '#who', 'nobody');
      expect(await buttons(page, '#actions')).toEqual(['Log in', 'Register']);
      const ofDatabase = isInMemory ? [] : ['Break the database', 'Restore the database'];
      expect(await buttons(page, '#faults')).toEqual(ofDatabase);
      await says(page, '#users', '401: Log in first.');
      expect(await terms(page)).toEqual(['Cookie', ...ofServer, 'Class', 'Number of sessions']);
      await looksGood(page);
    });

    test('logged in: shows who, the cookie and the session, and how to restart', async () => {
      const { page } = await open(step);
      await logIn(page);
      await says(
        page,
        '#detail',
        / press Ctrl-C in its terminal, and type npm run step \d again\.$/,
      );
      await says(page, '#who', 'demo');
      expect(await buttons(page, '#actions')).toEqual(['Log out']);
      await says(page, '#users', '200: demo');
      const columns = isInMemory ? [] : ['Column sid', 'Column expired'];
      expect(await terms(page)).toEqual([
        ...['Cookie', 'Expires', 'Readable by scripts'],
        ...[...ofServer, 'Class', 'Number of sessions', ...columns],
      ]);
      await looksGood(page);
    });

    test('the server is down: shows no answer of before as if it were true', async () => {
      const { page, server } = await open(step);
      await logIn(page);
      await server.end('SIGKILL');
      await says(page, '#headline', 'The server is down.');
      await says(page, '#who', '(server down)');
      await says(page, '#process', `${server.processId}, ended`);
      await says(page, '#users', 'No answer: the server is down.');
      expect(await buttons(page, '#actions, #faults'), 'what needs a server').toEqual([]);
      const note = isInMemory
        ? 'The sessions ended with the process.'
        : /^The rows are still in the database\. This is what the server showed at \d\d:\d\d:\d\d\.$/;
      await says(page, '#store-note', note);
      expect(await page.locator('#stored').isVisible()).toBe(!isInMemory);
      await looksGood(page);
    });
  });

  test.each([
    [
      'when its window has the focus again',
      (page: Page) => page.evaluate("dispatchEvent(new Event('focus'))"),
    ],
    ['when you request something', (page: Page) => page.getByText('Request it').click()],
  ])('logged out elsewhere: notices it %s', async (_when, look) => {
    const { page, server } = await open('01-in-memory');
    await logIn(page);
    await page.context().request.post(`${server.url}/api/logout`);
    await look(page);
    await says(page, '#headline', 'You are logged out.');
    await says(page, '#detail', /expired, or was ended elsewhere\.$/);
    await says(page, '#who', 'nobody');
    await says(page, '#users', '401: Log in first.');
    await says(page, '#cookie', 'none yet: you get one when you log in');
    await looksGood(page);
  });

  test('logged in elsewhere: notices it when its window has the focus again', async () => {
    const { page, server } = await open('01-in-memory');
    const data = { username: 'demo', password: 'demo-password' };
    await page.context().request.post(`${server.url}/api/login`, { data });
    await page.evaluate("dispatchEvent(new Event('focus'))");
    await says(page, '#headline', 'You are logged in as demo.');
    await says(page, '#detail', 'You logged in in another window.');
  });

  test('a broken database: says so, and Restore is the button to press', async () => {
    const { page } = await open('05-failing-database');
    await logIn(page);
    await page.getByRole('button', { name: 'Break the database' }).click();
    await says(page, '#headline', 'The database is unavailable.');
    await says(page, '#detail', 'The server answers 503. Restore the database, and try again.');
    await says(page, '#who', '(database unavailable)');
    await says(page, '#users', /^503: /);
    await says(
      page,
      '#store-note',
      /^The database is unavailable\. This is what the server showed at /,
    );
    await says(page, '.primary:not(#login *)', 'Restore the database');
    await looksGood(page);
    await page.getByRole('button', { name: 'Restore the database' }).click();
    await says(page, '#headline', 'The database is back. You are logged in as demo.');
    await says(page, '#users', '200: demo');
    expect(await page.locator('#restore.primary').count(), 'Restore again?').toBe(0);
  });

  test('Restore claims nothing when nothing is broken', async () => {
    const { page } = await open('03-knex-sqlite');
    await page.getByRole('button', { name: 'Restore the database' }).click();
    await says(page, '#headline', 'There was nothing to restore.');
  });

  test('leads to its chapter, and says how to start the lab', async () => {
    const { page } = await open('03-knex-sqlite');
    expect(await page.locator('.links li:visible').allTextContents()).toEqual([
      'Read chapter 3',
      'All steps side by side: npm start',
    ]);
    await page.getByText('Read chapter 3').click();
    await says(page, 'body', /^## 3\. Sessions in SQLite\n/);
  });

  test('the focus returns with the button when the server comes back', async () => {
    const environment = await temporaryEnvironment();
    const { page, server } = await open('03-knex-sqlite', environment);
    await logIn(page);
    await page.locator('#logout').focus();
    await server.end('SIGTERM');
    await says(page, '#headline', 'The server is down.');
    await startServer('03-knex-sqlite', { ...environment, PORT: new URL(server.url).port });
    await says(page, '#headline', 'You are still logged in as demo.');
    expect(await page.locator('#logout:focus').count()).toBe(1);
  });

  async function open(step: string, environment: NodeJS.ProcessEnv = {}) {
    const server = await startServer(step, environment);
    const { open, close } = await openWindow(browser, { breaksDatabase: true });
    onTestFinished(close);
    const page = await open(server.url);
    await says(page, '#headline', 'You are not logged in.');
    return { page, server };
  }
});

/** What the server shows of itself. */
const ofServer = ['Process', 'Running since', 'Logged in as'];

async function logIn(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Log in' }).click();
  await says(page, '#headline', 'Logged in as demo.');
}

/** @returns the buttons to be seen in a part of the page. */
function buttons(page: Page, parts: string): Promise<string[]> {
  return page.locator(parts).locator('button:visible').allTextContents();
}

/** @returns the labels of all values to be seen. */
function terms(page: Page): Promise<string[]> {
  return page.locator('dt:visible').allTextContents();
}

/** On a phone in the dark, on a small screen, and on a large one: nothing is empty, too wide, or a barrier. */
async function looksGood(page: Page): Promise<void> {
  const looks = [
    ['dark', 360],
    ['light', 800],
    ['light', 1440],
  ] as const;
  for (const [colorScheme, width] of looks) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page), `${colorScheme}, ${width} pixels wide`).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
  }
  const boxes = page.locator(':is(section, dl, div, form, dd, p, li):visible');
  const contents = await boxes.evaluateAll((all) =>
    all.map((box) => [box.outerHTML, box.textContent]),
  );
  expect(
    contents.filter(([, text]) => !text?.trim()),
    'empty boxes',
  ).toEqual([]);
}
