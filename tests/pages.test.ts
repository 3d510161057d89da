import type { Browser, Page } from 'playwright-core';
import request from 'supertest';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { ada } from '#tools/browser.ts';
import { launchChromium } from '#tools/chromium.ts';
import { isBrowserMissing, looksGood, openWindow, says } from './browser-window.ts';
import { startServer } from './spawn.ts';
import { temporaryEnvironment } from './temporary.ts';

const sqlite = '03-knex-sqlite';

describe.skipIf(isBrowserMissing)('the page of a step, in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  test('registers you, and says what is wrong with a password', async () => {
    const { page } = await open(sqlite);
    await logIn(page, { ...ada, password: 'short' }, 'Register');
    await says(page, '#refusal', 'A password has at least 8 characters.');
    await logIn(page, ada, 'Register');
    await says(page, '#headline', 'Registered and logged in as ada.');
    await page.getByRole('button', { name: 'Log out' }).click();
    await says(page, '#headline', 'You logged out.');
    await says(page, '#store-note', 'You have no session. Log in to see it here.');
  });

  test('notices within 2 seconds that its server is down, and that it is back', async () => {
    const environment = await temporaryEnvironment();
    const { page, server } = await open(sqlite, environment);
    await logIn(page);
    await page.locator('#logout').focus();
    await server.end('SIGTERM');
    await says(page, '#headline', 'The server is down.', 2000);
    await startServer(sqlite, { ...environment, PORT: new URL(server.url).port });
    await says(page, '#headline', 'You are still logged in as demo.', 2000);
    expect(await page.locator('#logout:focus').count(), 'the focus returns').toBe(1);
  });

  test.each(['01-in-memory', '05-failing-database'])(
    'of step %s shows only what exists, and no answer of before as if it were true',
    async (step) => {
      const isInMemory = step === '01-in-memory';
      const { page, server } = await open(step);
      const ofServer = ['Process', 'Running since', 'Logged in as', 'Class', 'Number of sessions'];
      await says(page, '#who', 'nobody');
      expect(await buttons(page, '#actions')).toEqual(['Log in', 'Register']);
      const ofDatabase = isInMemory ? [] : ['Break the database', 'Restore the database'];
      expect(await buttons(page, '#faults')).toEqual(ofDatabase);
      await says(page, '#users', '401: Log in first.');
      expect(await terms(page)).toEqual(['Cookie', ...ofServer]);
      await looksGood(page);

      await logIn(page);
      await says(
        page,
        '#detail',
        / press Ctrl-C in its terminal, and type npm run step \d again\./,
      );
      await says(page, '#who', 'demo');
      await says(page, '#users', '200: demo');
      expect(await buttons(page, '#actions')).toEqual(['Log out']);
      const row = isInMemory ? [] : ['Column sid', 'Column expired'];
      const cookie = ['Cookie', 'Expires', 'Readable by scripts'];
      expect(await terms(page)).toEqual([...cookie, ...ofServer, ...row]);
      await looksGood(page);

      await server.end('SIGKILL');
      await says(page, '#headline', 'The server is down.');
      await says(page, '#who', '(server down)');
      await says(page, '#process', `${server.processId}, ended`);
      await says(page, '#users', 'No answer: the server is down.');
      expect(await buttons(page, '#actions, #faults'), 'what needs a server').toEqual([]);
      expect(await page.locator('#stored').isVisible()).toBe(!isInMemory);
      const note = isInMemory
        ? /ended with the process/
        : /rows are still in the database\. This is/;
      await says(page, '#store-note', note);
      await looksGood(page);
    },
  );

  test('notices a login and a logout elsewhere when its window has the focus again', async () => {
    const { page, server } = await open('01-in-memory');
    const elsewhere = page.context().request;
    const focus = () => page.evaluate("dispatchEvent(new Event('focus'))");
    await elsewhere.post(`${server.url}/api/login`, { data: demo });
    await focus();
    await says(page, '#headline', 'You are logged in as demo.');
    await elsewhere.post(`${server.url}/api/logout`);
    await focus();
    await says(page, '#headline', 'You are logged out.');
    await says(page, '#detail', /expired, or was ended elsewhere\.$/);
    await says(page, '#users', '401: Log in first.');
    await looksGood(page);
  });

  test('says that the database is broken, and Restore is the button to press', async () => {
    const { page } = await open('05-failing-database');
    await logIn(page);
    await page.getByRole('button', { name: 'Break the database' }).click();
    await says(page, '#headline', 'The database is unavailable.');
    await says(page, '#who', '(database unavailable)');
    await says(page, '#users', /^503: /);
    await says(
      page,
      '#store-note',
      /^The database is unavailable\. This is what the server showed/,
    );
    await says(page, '.primary:not(#login *)', 'Restore the database');
    await looksGood(page);
    await page.getByRole('button', { name: 'Restore the database' }).click();
    await says(page, '#headline', 'The database is back. You are logged in as demo.');
    await says(page, '#users', '200: demo');
    await page.getByRole('button', { name: 'Restore the database' }).click();
    await says(page, '#headline', 'There was nothing to restore.');
  });

  test('of step 04: Break ends the server, and Restore brings the session back', async () => {
    const step = '04-minimal-payload';
    const environment = await temporaryEnvironment();
    const { page, server } = await open(step, environment);
    await logIn(page);
    await page.getByRole('button', { name: 'Break the database' }).click();
    await says(page, '#headline', 'The server is down.');
    await says(page, '#detail', /^The database error ended it\./);
    const { code, stderr } = await server.ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining('no such table: sessions')]);
    await startServer(step, { ...environment, PORT: new URL(server.url).port });
    await says(page, '#headline', 'You are logged out.');
    await page.getByRole('button', { name: 'Restore the database' }).click();
    await says(page, '#headline', 'The database is back. You are logged in as demo.');
  });

  test.each(['08-revoke-sessions', '09-refuse-strangers', '10-many-servers'])(
    'of step %s lists where you are logged in, and ends a session elsewhere',
    async (step) => {
      const { page, server } = await open(step);
      const laptop = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
      const login = request(server.url).post('/api/login');
      expect((await login.set('User-Agent', laptop).send(demo)).status).toBe(200);
      const heading = page.getByRole('heading', { name: 'Where you are logged in' });
      expect(await heading.isVisible(), 'there is no session to list').toBe(false);
      await logIn(page);
      await says(page, '#device-list', /^(?=.*This browser, since).*Firefox, since /);
      expect(await heading.isVisible(), 'there is one to end').toBe(true);
      expect(await page.getByTitle(laptop).textContent()).toBe('Firefox');
      await looksGood(page);
      await page.getByRole('button', { name: 'End the session of Firefox' }).click();
      await says(page, '#headline', 'That session ended.');
      await says(page, '#device-list', /^(?!.*Firefox).*This browser, since /);
      expect(await page.locator('#end-others').isVisible(), 'nothing to end').toBe(false);
      await says(page, '#who', 'demo');
    },
  );

  test('shows its chapter as a page', async () => {
    const { page } = await open(sqlite);
    expect(await page.locator('.links li:visible').allTextContents()).toEqual([
      'Read chapter 3',
      'All steps side by side: npm start',
    ]);
    await page.getByText('Read chapter 3').click();
    await says(page, 'h1', /^Step 3: /);
  });

  test('says in production, where there is no /inspect, why it shows no more', async () => {
    const SESSION_SECRET = 'a secret of more than 32 characters';
    const { page } = await open('01-in-memory', { NODE_ENV: 'production', SESSION_SECRET });
    await logIn(page, ada, 'Register');
    await says(page, '#who', 'ada');
    await says(page, '#process', 'hidden in production');
    await says(page, '#store-note', /^With NODE_ENV=production, this server does not show/);
  });

  /** Starts a step, and opens its page in a window of its own. Both end with the test. */
  async function open(step: string, environment = {}) {
    const server = await startServer(step, environment);
    const { open, close } = await openWindow(browser, { breaksDatabase: true });
    onTestFinished(close);
    const page = await open(server.url);
    await says(page, '#headline', 'You are not logged in.');
    return { page, server };
  }
});

async function logIn(page: Page, user = demo, button = 'Log in'): Promise<void> {
  await page.getByLabel('Username').fill(user.username);
  await page.getByLabel('Password').fill(user.password);
  await page.getByRole('button', { name: button }).click();
  if (user === demo) await says(page, '#headline', 'Logged in as demo.');
}

/** @returns the buttons to be seen in a part of the page. */
function buttons(page: Page, parts: string): Promise<string[]> {
  return page.locator(parts).locator('button:visible').allTextContents();
}

/** @returns the labels of all values to be seen. */
function terms(page: Page): Promise<string[]> {
  return page.locator('dt:visible').allTextContents();
}
