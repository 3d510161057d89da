import type { Browser, Page } from 'playwright-core';
import request from 'supertest';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ada } from '#tools/browser.ts';
import { launchChromium } from '#tools/chromium.ts';
import { barriers, isBrowserMissing, openWindow, says } from './browser-window.ts';
import { startServer } from './spawn.ts';
import { temporaryEnvironment } from './temporary.ts';

describe.skipIf(isBrowserMissing)('the page of a step, in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  test('a page notices within 2 seconds that its server is down, and that it is back', async () => {
    const environment = await temporaryEnvironment();
    const server = await startServer('03-knex-sqlite', environment);
    const page = await openPage(server.url);
    await says(page, '#headline', 'You are not logged in.');
    await page.getByLabel('Username').fill(ada.username);
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button', { name: 'Register' }).click();
    await says(page, '#refusal', 'A password has at least 8 characters.');
    await page.getByLabel('Password').fill(ada.password);
    await page.getByRole('button', { name: 'Register' }).click();
    await says(page, '#headline', 'Registered and logged in as ada.');
    await server.end('SIGTERM');
    await says(page, '#headline', 'The server is down.', 2000);
    await startServer('03-knex-sqlite', { ...environment, PORT: new URL(server.url).port });
    await says(page, '#headline', 'You are still logged in as ada.', 2000);
    await page.getByRole('button', { name: 'Log out' }).click();
    await says(page, '#headline', 'You logged out.');
    await says(page, '#store-note', 'You have no session. Log in to see it here.');
  });

  test('Break on the page of step 04 ends the server, and Restore brings the session back', async () => {
    const step = '04-minimal-payload';
    const environment = await temporaryEnvironment();
    const server = await startServer(step, environment);
    const page = await openPage(server.url, { breaksDatabase: true });
    await says(page, '#headline', 'You are not logged in.');
    await page.getByRole('button', { name: 'Log in' }).click();
    await says(page, '#headline', 'Logged in as demo.');
    await page.getByRole('button', { name: 'Break the database' }).click();
    await says(page, '#headline', 'The server is down.');
    await says(page, '#detail', /^The database error ended it\./);
    expect(await server.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such table: sessions'),
    });
    await startServer(step, { ...environment, PORT: new URL(server.url).port });
    await says(page, '#headline', 'You are logged out.');
    await page.getByRole('button', { name: 'Restore the database' }).click();
    await says(page, '#headline', 'The database is back. You are logged in as demo.');
  });

  test.for(['08-hardened', '09-many-servers'])(
    'the page of %s lists where you are logged in, and ends a session elsewhere',
    async (step) => {
      const { url } = await startServer(step, { SERVERS: '1' });
      const laptop = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
      expect((await request(url).post('/api/register').send(ada)).status).toBe(201);
      const elsewhere = await request(url).post('/api/login').set('User-Agent', laptop).send(ada);
      expect(elsewhere.status).toBe(200);
      const page = await openPage(url);
      await says(page, '#headline', 'You are not logged in.');
      const heading = page.getByRole('heading', { name: 'Where you are logged in' });
      expect(await heading.isVisible(), 'there is no session to list').toBe(false);
      await page.getByLabel('Username').fill(ada.username);
      await page.getByLabel('Password').fill(ada.password);
      await page.getByRole('button', { name: 'Log in' }).click();
      await says(page, '#device-list', /^(?=.*This browser, since).*Firefox, since /);
      expect(await heading.isVisible(), 'there is one to end').toBe(true);
      expect(await page.getByTitle(laptop).textContent()).toBe('Firefox');
      await says(page, '#cookie', /In production it is called __Host-sid/);
      expect(await barriers(page)).toEqual([]);
      await page.getByRole('button', { name: 'End the session of Firefox' }).click();
      await says(page, '#headline', 'That session ended.');
      await says(page, '#device-list', /^(?!.*Firefox).*This browser, since /);
      const endOthers = page.locator('#end-others');
      expect(await endOthers.isVisible(), 'there is nothing to end').toBe(false);
      await says(page, '#who', 'ada');
    },
  );

  test('in production, where there is no /inspect, the login works and the page says why it shows no more', async () => {
    const { open, close } = await openWindow(browser);
    onTestFinished(close);
    const page = await open((await startServer('01-in-memory')).url, { '**/inspect': 404 });
    await says(page, '#headline', 'You are not logged in.');
    await page.getByRole('button', { name: 'Log in' }).click();
    await says(page, '#who', 'demo');
    await says(page, '#process', 'hidden in production');
    await says(page, '#store-note', /^With NODE_ENV=production, this server does not show/);
  });

  /** A page in a window of its own, which closes with the test. */
  async function openPage(url: string, options = {}): Promise<Page> {
    const { open, close } = await openWindow(browser, options);
    onTestFinished(close);
    return open(url);
  }
});
