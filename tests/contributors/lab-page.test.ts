import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readStep } from '#steps/shared/step.ts';
import { launchChromium } from '#tools/chromium.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { stepFolder, stepNames as steps } from '#tools/steps.ts';
import { barriers, focused, isBrowserMissing, openWindow, says, tabTo } from '../browser-window.ts';
import { send } from '../requests.ts';
import { areUp, foldersOf, processesOf, startLab, stateOf } from '../running-lab.ts';

const actOne = steps.slice(0, 4);
const keeps = (step: string) => step >= '03';
const outcomesOf = (step: string) => readStep(stepFolder(step)).outcomes;
const rowOf = (step: string) => (part: string) => `tbody[data-step="${step}"] ${part}`;

const logIn = 'Log in everywhere';

/** How long, in milliseconds, the lab may take to start every step again. */
const ALL_STEPS = 45_000;

// One lab for all tests of this file: it starts every step.
let lab: ServerProcess;
let firstScreen: number;
beforeAll(async () => {
  const begin = performance.now();
  lab = await startLab();
  await send('GET', lab.url);
  firstScreen = performance.now() - begin;
  await stateOf(lab, areUp);
  return async () => {
    await lab.end('SIGKILL');
  };
}, 60_000);

describe.skipIf(isBrowserMissing)('the lab, in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  describe('log in by the form of each step, then crash everything in the lab', () => {
    const pages = new Map<string, Page>();
    const stored = new Map<string, { facts: string; payload: string; marks: string[] }>();
    const highlighted: string[][] = [];
    let labPage: Page;

    // The whole story, once; the tests are what there is to see.
    beforeAll(async () => {
      const viewport = { width: 1440, height: 900 };
      const { open, close } = await openWindow(browser, { viewport, breaksDatabase: true });
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
      await labPage.locator('.console [aria-disabled="false"]').first().waitFor();
      highlighted.push(await prominent(labPage));
      await labPage.getByRole('button', { name: logIn }).click();
      await says(labPage, '#news', /^Logged in to steps 01 to \d\d as demo\./);
      highlighted.push(await prominent(labPage));
      await labPage.getByRole('button', { name: 'Crash everything' }).click();
      await says(labPage, '#news', /^You are/, ALL_STEPS);
      highlighted.push(await prominent(labPage));
      return close;
    }, 60_000);

    test('the lab shows: lost, lost, kept, kept', async () => {
      const lost = 'You are logged out of steps 01 and 02';
      await says(
        labPage,
        '#news',
        new RegExp(`^${lost}. You are still logged in to steps 03 to ..\\.$`),
      );
      const fates = await labPage.locator('.fate strong').allTextContents();
      expect(fates.slice(0, 4)).toEqual(['lost', 'lost', 'kept', 'kept']);
      const rows = await labPage.locator('.row').all();
      const cells = rows.slice(0, 4).map((row) => row.locator('td').allTextContents());
      const seen = ['user data stored', 'after SIGKILL'];
      const expected = actOne.map((step) => [
        keeps(step) ? 'logged in' : 'logged out',
        ...Object.entries(outcomesOf(step)).map(([title, outcome]) =>
          seen.includes(title) ? outcome : '',
        ),
      ]);
      expect(await Promise.all(cells)).toEqual(expected);
    });

    test('a sign in each cell of the lab says what its colour says', async () => {
      const cells = await labPage.locator('td[data-column="after SIGKILL"]').all();
      const looks = cells.slice(1, 3).map((cell) =>
        cell.evaluate((cell) => {
          const sign = getComputedStyle(cell, '::before').content.slice(0, 3);
          return [sign, getComputedStyle(cell).color];
        }),
      );
      const [[lost, red], [kept, green]] = (await Promise.all(looks)) as [string[], string[]];
      expect([lost, kept]).toEqual(['"✗"', '"✓"']);
      expect(red).not.toBe(green);
    });

    test('the lab highlights the next button: the login, the crash, and the login that steps 01 and 02 lost', () => {
      expect(highlighted).toEqual([[logIn], ['Crash everything'], [logIn]]);
    });

    test('on a phone, the first screen shows the outcome of every step in words', async () => {
      const height = 740;
      await labPage.setViewportSize({ width: 360, height });
      for (const step of steps) {
        const word = labPage.locator(rowOf(step)('[data-column="after SIGKILL"] .word'));
        const box = await word.boundingBox();
        expect(box?.width, `the word in ${step}`).toBeGreaterThan(20);
        expect((box?.y ?? height) + (box?.height ?? 0), step).toBeLessThanOrEqual(height);
      }
    });

    test('an open row shows the session as it is stored, with what does not belong in it', async () => {
      await labPage.getByRole('button', { name: '03-knex-sqlite' }).click();
      const row = rowOf('03-knex-sqlite');
      await says(labPage, row('.process'), /^process \d+$/);
      await says(labPage, row('.who'), 'demo');
      await says(
        labPage,
        row('.place-of-row'),
        /^A row of the sessions table: sid is .{8}…, expired \(when it ends\) is 2/,
      );
      const marks = labPage.locator(row('mark .why'));
      expect(await marks.allInnerTexts()).toEqual([
        '↑ the user name does not belong here',
        '↑ the password hash does not belong here',
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

    test.for(actOne)('the page of %s shows whether the login was kept', async (step) => {
      const page = pages.get(step);
      if (!page) throw new Error('It was not opened.');
      const outcome = keeps(step) ? 'You are still logged in as demo.' : 'You are logged out.';
      await says(page, '#headline', outcome);
      await says(page, '#detail', /^The server is back \(process \d+ → \d+\)\./);
      await says(page, '#who', keeps(step) ? 'demo' : 'nobody');
      const cookie = keeps(step) ? /^sid = s:.{8}…$/ : /the server has no session for it/;
      await says(page, '#cookie', cookie);
      await says(page, '#cookie-script', /^No\./);
      await says(page, '#log', /logged (in|out).*is back.*is down.*Logged in as demo/is);
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

    test('the page of a step leads back to the lab', async () => {
      const page = pages.get('03-knex-sqlite');
      expect(await page?.evaluate("document.querySelector('#lab a').href")).toBe(`${lab.url}/`);
      expect(await page?.locator('#no-lab').isVisible(), 'how to start it').toBe(false);
    });

    test('polling the server sends no cookie, so it never prolongs a session', async () => {
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
    expect(await focused(page), 'the focus moves to the replacement').toBe('Log out');

    await page.goto(lab.url);
    const row = rowOf('04-minimal-payload');
    await says(page, row('.who'), 'demo');
    await tabTo(page, '04-minimal-payload');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Restart step 04');
    await page.keyboard.press('Enter');
    await says(page, '#news', 'In step 04, the server is back, and you are still logged in.');
    expect(await focused(page), 'the focus stays').toBe('Restart step 04');
    await says(page, row('[data-column="after a restart"]'), 'kept');
    await page.reload();
    await says(page, row('[data-column="after a restart"]'), 'kept');
  });

  test('before anything was tried, the first screen of the lab shows all of an empty table', async () => {
    const height = 900;
    const page = await openPage(lab.url, { viewport: { width: 1440, height } });
    await says(page, '#news', /Log in everywhere\. Then crash everything\.$/);
    expect(await prominent(page)).toEqual([logIn]);
    expect(await page.locator('.now').allTextContents()).toEqual(steps.map(() => 'logged out'));
    const cells = await page.locator('td[data-column]').allTextContents();
    expect(cells.filter(Boolean), 'outcomes').toEqual([]);
    const last = await page.locator('.row').last().boundingBox();
    expect((last?.y ?? height) + (last?.height ?? 0), 'the end of the table').toBeLessThan(height);
    for (const column of Object.keys(outcomesOf('01-in-memory'))) {
      const [button, head] = await Promise.all(
        ['.console button', 'thead th'].map((part) =>
          page.locator(`${part}[data-column="${column}"]`).boundingBox(),
        ),
      );
      expect(button?.x, `the button above ${column}`).toBeCloseTo(head?.x ?? 0, 0);
      expect(button?.width).toBeCloseTo(head?.width ?? 0, 0);
    }
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await barriers(page), colorScheme).toEqual([]);
    }
  });

  test('the lab names both steps that were killed elsewhere, and why a step does not start', async () => {
    const step = '02-pruned-memory';
    const [folder = ''] = await foldersOf(lab);
    const file = join(folder, step, 'test.sqlite3');
    const row = rowOf(step);
    const page = await openPage(lab.url);
    await says(page, row('.now'), 'logged out');
    for (const { processId } of (await stateOf(lab)).slice(0, 2)) {
      if (!processId) throw new Error('It does not run.');
      process.kill(processId, 'SIGKILL');
    }
    const killed = 'the server was killed. Start it in its row.';
    await says(page, '#news', `In steps 01 and 02, ${killed}`);
    await says(page, row('.now'), 'server down');
    await page.getByRole('button', { name: '01-in-memory' }).click();
    await page.getByRole('button', { name: 'Start step 01', exact: true }).click();
    await says(page, '#news', `In step 01, the server is back. In step 02, ${killed}`);
    await page.goto(`${lab.url}/${step}/`);
    await says(page, '#headline', 'The server is down.');

    await page.goto(lab.url);
    await page.getByRole('button', { name: step }).click();
    await says(page, row('.process'), 'down, killed');
    expect(await prominent(page), 'the button to press').toEqual(['Start']);
    await rename(file, `${file}.away`);
    await mkdir(file);
    const start = page.getByRole('button', { name: 'Start step 02', exact: true });
    await start.click();
    await says(page, row('.error'), /^Cannot open the database .*DATABASE_URL.*\.$/);
    await rm(file, { recursive: true });
    await rename(`${file}.away`, file);
    await start.click();
    await says(page, row('.process'), /^process \d+$/);
  });

  test('in the lab, a step with "503, and back" survives Break', async () => {
    const step =
      steps.find((step) => outcomesOf(step)['failing database'] === '503, and back') ?? '';
    const number = step.slice(0, 2);
    const row = rowOf(step);
    const page = await openPage(lab.url, { breaksDatabase: true });
    await page.getByRole('button', { name: step }).click();
    await says(page, row('.process'), /^process \d+$/);
    const process = await page.locator(row('.process')).textContent();
    await page.getByRole('button', { name: logIn }).click();
    await says(page, '#news', /^Logged in to steps/);
    await says(page, row('.who'), 'demo');
    await page.getByRole('button', { name: `Break database step ${number}` }).click();
    const failing = 'the database fails, and the server answers with an error.';
    await says(page, '#news', `In step ${number}, ${failing}`);
    await says(page, row('.now'), 'database fails');
    await says(page, row('[data-column="failing database"]'), '503');
    expect(await focused(page), 'the focus stays').toBe(`Restore database step ${number}`);
    expect(await prominent(page), 'the button to press').toEqual(['Restore database']);
    for (const [colorScheme, width] of [
      ['light', 360],
      ['dark', 1440],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      expect(await barriers(page), colorScheme).toEqual([]);
    }
    await page.keyboard.press('Enter');
    const back = 'the database is back, and you are still logged in.';
    await says(page, '#news', `In step ${number}, ${back}`);
    await says(page, row('.now'), 'logged in');
    expect(await page.locator(row('.process')).textContent(), 'restarted').toBe(process);
    await says(page, row('[data-column="failing database"]'), '503, and back');
  });

  /** The buttons that the lab highlights and shows. */
  function prominent(page: Page): Promise<string[]> {
    return page.locator('button.primary:visible').allTextContents();
  }

  /** A page in a window of its own, which closes with the test. */
  async function openPage(url: string, options = {}): Promise<Page> {
    const { open, close } = await openWindow(browser, options);
    onTestFinished(close);
    return open(url);
  }
});

describe('npm start', { timeout: 60_000 }, () => {
  test('shows the first screen within 5 seconds', () => {
    expect(firstScreen, 'milliseconds').toBeLessThan(5000);
  });

  test('says in one line that the port is in use', async () => {
    const { port } = new URL(lab.url);
    const { code, stderr } = await ServerProcess.fail('lab/main.ts', { PORT: port });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^Port \d+ is in use\. [^\n]*PORT=\d+\.\n$/),
    });
  });

  test('refuses what other websites send, and takes it from its own page', async () => {
    const crash = `${lab.url}/lab/steps/01-in-memory/crash`;
    const before = await processesOf(lab);
    for (const headers of [{ Host: 'evil.example' }, { Origin: 'http://evil.example' }]) {
      for (const path of ['', '/lab/events', '/01-in-memory/inspect']) {
        expect(await send('GET', lab.url + path, headers), `GET ${path}`).toBe(403);
      }
      expect(await send('POST', crash, headers), 'a crash').toBe(403);
    }
    expect(await send('GET', crash), 'a link that crashes').toBe(404);
    expect(await processesOf(lab), 'the processes').toEqual(before);
    expect(await send('POST', crash, { Origin: lab.url }), 'its own page').toBe(204);
    expect(await processesOf(lab)).toEqual(before.slice(1));
  });

  test('knows no other steps and no other actions', async () => {
    expect(await send('POST', `${lab.url}/lab/steps/99-nothing/start`)).toBe(404);
    expect(await send('POST', `${lab.url}/lab/steps/01-in-memory/constructor`)).toBe(404);
  });
});
