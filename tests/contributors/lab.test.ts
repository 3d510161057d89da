import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { isAlive } from '#database/postgres.ts';
import { readStep } from '#steps/shared/step.ts';
import { launchChromium } from '#tools/chromium.ts';
import type { ServerProcess } from '#tools/server-process.ts';
import { stepFolder, stepNames as steps } from '#tools/steps.ts';
import { openWindow, says } from '../browser-window.ts';
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
      'Log out during an upload',
      /In steps? .*, the end of the upload brought the login/,
    );
    await press('Read 100 times', /In steps 03 to 06, 100 reads caused 100 writes\./);
    await press(
      'Steal every table',
      /^A thief copied every table, and made cookies from it\. .*In steps 03 to 07, the cookies open /,
    );
    await press(
      'Ask from another site',
      /^A page .* to log the user out\. In steps 01 to 07, the server obeyed\. In steps 08 and 09, it refused\./,
    );
    await press(
      'Ask a second machine',
      /In steps 01 to 08, it knows nobody\. In step 09, it knows you\./,
    );
    const users = await labPage.locator('.who').allTextContents();
    expect(new Set(users), 'the login in the browser').toEqual(new Set(['demo']));
    const died =
      /^The failure did not affect steps 01 and 02\. In steps 03 and 04, the process died, /;
    await press('Fail every database', died);
    await says(labPage, '.step[data-step="03-knex-sqlite"] .fate', /^keptStarted again: /);
    await press('Crash everything', /^You are logged out of steps 01 and 02\./);
    // Without logging in again: the lab does that where the crash ended the login.
    await press('Restart everything', /^You are logged out of steps 01 and 02\./);
    await press(
      'Let a day pass',
      /every session has expired\. In step 01, they are left in the store\./,
    );
    expect(await labPage.locator('.who').allTextContents()).not.toContain('demo');

    const table = await labPage.locator('.table tr').all();
    const cells = table.map((row) => row.locator('th, td').allTextContents());
    expect(await Promise.all(cells)).toEqual([
      ['step', ...Object.keys(outcomesOf('01-in-memory'))],
      ...steps.map((step) => [step, ...Object.values(outcomesOf(step))]),
    ]);
  });

  test('the server of step 04 dies after Break, and its card says why', async () => {
    const card = (part: string) => `.step[data-step="04-minimal-payload"] ${part}`;
    await press('Log in everywhere', /^Logged in to steps/);
    await says(labPage, card('.who'), 'demo');
    await press(
      'Break database step 04',
      'The server of step 04 died because its database failed.',
    );
    await says(labPage, card('.process'), 'down: its database failed');
    await labPage.getByRole('button', { name: 'Restore database step 04' }).click();
    await labPage.getByRole('button', { name: 'Start step 04', exact: true }).click();
    await says(labPage, card('.fate'), /^kept/);
  });

  /** Presses a button, and waits for the news. Starting every step again takes long. */
  async function press(name: string, news: string | RegExp): Promise<void> {
    await labPage.getByRole('button', { name }).click();
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
