import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { isAlive } from '#database/postgres.ts';
import { readStep } from '#steps/shared/step.ts';
import { launchChromium } from '#tools/chromium.ts';
import type { ServerProcess } from '#tools/server-process.ts';
import { stepFolder, stepNames as steps } from '#tools/steps.ts';
import { barriers, openWindow, says } from '../browser-window.ts';
import { areUp, foldersOf, processesOf, startLab, stateOf } from '../running-lab.ts';

const outcomesOf = (step: string) => readStep(stepFolder(step)).outcomes;

// These start every server again, which takes too long for npm test.
describe('in the lab', { timeout: 180_000 }, () => {
  let labPage: Page;

  beforeAll(async () => {
    const lab = await startLab();
    const browser = await launchChromium();
    await stateOf(lab, areUp);
    const { open } = await openWindow(browser, { breaksDatabase: true });
    labPage = await open(lab.url);
    return async () => {
      await browser.close();
      await lab.end('SIGKILL');
    };
  }, 60_000);

  test('the large buttons fill in the table as npm run compare does', async () => {
    await press('Log in everywhere', /^Logged in to steps 01 to \d\d as demo\./);
    await press(
      'Log out during a request',
      /In steps 01 to 05, the login came back when the upload ended\./,
    );
    await press('Read 100 times', /In steps 03 to 06, 100 reads caused 100 writes\./);
    await press(
      'Steal the table',
      /^A thief copied every sessions table, and made cookies from it\. .*In steps 03 to 07, the cookies open /,
    );
    await press(
      'Ask from another site',
      /^A page .* to log out a second session, .* In steps 01 to 07, the server obeyed\. In steps 08 and 09, it refused\./,
    );
    await press(
      'Ask a second machine',
      /In steps 01 to 08, it knows nobody\. In step 09, it knows you\./,
    );
    expect(await logins(), 'the login in the browser').toEqual(new Set(['logged in']));
    const died =
      /^The failure did not affect steps 01 and 02\. In steps 03 and 04, the process died, /;
    await press('Break the database', died);
    await says(labPage, 'tbody[data-step="03-knex-sqlite"] .fate', /^kept Started again: /);
    await press('Crash everything', /^You are logged out of steps 01 and 02\./);
    // Without logging in again: the lab does that where the crash ended the login.
    await press('Restart everything', /^You are logged out of steps 01 and 02\./);
    await press('Let a day pass', /a day ahead\.\) In step 01, they are left in the store\./);
    expect(await logins(), 'after a day').toEqual(new Set(['logged out']));

    const table = await labPage.locator('thead tr, .row').all();
    const cells = table.map((row) => row.locator('th, td:not(.now)').allTextContents());
    expect(await Promise.all(cells)).toEqual([
      ['step', 'now', ...Object.keys(outcomesOf('01-in-memory'))],
      ...steps.map((step) => [step, ...Object.values(outcomesOf(step))]),
    ]);
  });

  test('once everything was tried and you are logged in again, nothing is left to press', async () => {
    const primary = labPage.locator('button.primary');
    expect(await primary.allTextContents(), 'a day has ended every login').toEqual([
      'Log in everywhere',
    ]);
    await press(
      'Log in everywhere',
      /^Logged in to steps .* You have tried everything\. TUTORIAL\.md/,
    );
    expect(await primary.count()).toBe(0);
  });

  test.for([
    ['light', 1440],
    ['dark', 1440],
    ['light', 800],
    ['dark', 360],
  ] as const)(
    'axe finds nothing serious in the full table, in %s, %i pixels wide, and nothing is wider',
    async ([colorScheme, width]) => {
      await labPage.setViewportSize({ width, height: 900 });
      await labPage.emulateMedia({ colorScheme });
      expect(await barriers(labPage)).toEqual([]);
      expect(await labPage.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    },
  );

  test('the server of step 04 dies after Break, and again, and the lab says so each time', async () => {
    const row = (part: string) => `tbody[data-step="04-minimal-payload"] ${part}`;
    const click = (name: string) => labPage.getByRole('button', { name, exact: true }).click();
    const died = (again: string) =>
      `In step 04, the server died${again} because its database failed. Restore it in its row.`;
    await labPage.reload(); // and forget that it has died before
    await press('Log in everywhere', /^Logged in to steps/);
    await click('04-minimal-payload');
    await press('Break database step 04', died(''));
    await says(labPage, row('.now'), 'server down');
    await says(labPage, row('.process'), 'down: its database failed');
    const colour = await labPage
      .locator(row('.now'))
      .evaluate((now) => getComputedStyle(now).color);
    await click('Restore database step 04');
    await says(labPage, '#news', 'In step 04, the database is back. Start the server in its row.');
    await click('Start step 04');
    await says(labPage, '#news', 'In step 04, the server is back, and you are still logged in.');
    await click('05-failing-database');
    await press('Break database step 05', /^In step 05, the database fails, /);
    const other = 'tbody[data-step="05-failing-database"] .now';
    expect(await labPage.locator(other).evaluate((now) => getComputedStyle(now).color)).not.toBe(
      colour,
    );
    await click('Break database step 04');
    await says(
      labPage,
      '#news',
      `${died(' again')} In step 05, the database fails, and the server answers with an error.`,
    );
    await click('Restore database step 05');
    await click('Restore database step 04');
    await click('Start step 04');
    await says(labPage, row('.now'), 'logged in');
  });

  /** What the lab says of the logins. */
  async function logins(): Promise<Set<string>> {
    return new Set(await labPage.locator('.now').allTextContents());
  }

  /** Presses a button, and waits for the news. Starting every step again takes long. */
  async function press(name: string, news: string | RegExp): Promise<void> {
    await labPage.getByRole('button', { name, exact: true }).click();
    await says(labPage, '#news', news, 45_000);
  }
});

describe('npm start', { timeout: 60_000 }, () => {
  let lab: ServerProcess;

  beforeAll(async () => {
    lab = await startLab();
    await stateOf(lab, areUp);
    return async () => {
      await lab.end('SIGKILL');
    };
  }, 60_000);

  test('leaves no process behind when it is killed; the next lab deletes its databases', async () => {
    const processes = await processesOf(lab);
    expect(processes.length).toBeGreaterThanOrEqual(3);
    const [left = ''] = await foldersOf(lab);
    await lab.end('SIGKILL');
    const deadline = Date.now() + 5000;
    while (processes.some(isAlive) && Date.now() < deadline) await pause(20);
    expect(processes.filter(isAlive), 'processes left after 5 seconds').toEqual([]);
    expect(existsSync(left), 'the databases of the lab that was killed').toBe(true);
    lab = await startLab();
    expect(existsSync(left), 'its databases, once the next lab has started').toBe(false);
  });

  test('leaves nothing behind when it is told to stop while its steps are still starting', async () => {
    const [first] = await stateOf(lab, ([first]) => first?.phase === 'up');
    const processes = await processesOf(lab);
    expect(processes).toContain(first?.processId);
    expect(await lab.end('SIGTERM')).toMatchObject({ code: 0, stderr: '' });
    expect(processes.filter(isAlive), 'processes left').toEqual([]);
    expect(await foldersOf(lab), 'databases left').toEqual([]);
  });
});
