import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { StepState } from '#lab/step-runner.ts';
import { demo } from '#steps/shared/demo-account.ts';
import { readStep } from '#steps/shared/step.ts';
import { launchChromium } from '#tools/chromium.ts';
import { columns, textsOf } from '#tools/outcomes.ts';
import { isAlive } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { stepFolder, stepNames as steps } from '#tools/steps.ts';
import {
  focused,
  isBrowserMissing,
  looksGood,
  openWindow,
  says,
  tabTo,
} from '../browser-window.ts';
import { send } from '../requests.ts';

const titles = Object.values(columns).map(({ title }) => title);
const outcomesOf = (step: string) => readStep(stepFolder(step)).outcomes;
const rowOf = (step: string) => (part: string) => `tbody[data-step="${step}"] ${part}`;
const keeps = (step: string) => step >= '03';
const logIn = 'Log in everywhere';

/** How long, in milliseconds, the lab may take to start every step again. */
const ALL_STEPS = 180_000;

// One lab for all tests of this file: it starts every step.
let lab: ServerProcess;
let atFirst: StepState[];
beforeAll(async () => {
  lab = await startLab();
  await send('GET', lab.url);
  atFirst = await readState();
  await readState((states) => states.every(({ phase }) => phase === 'up'));
  return async () => {
    await lab.end('SIGKILL');
  };
});

describe.skipIf(isBrowserMissing)('the lab, in a real browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  test('before anything was tried, the first screen shows all of an empty table', async () => {
    const height = 900;
    const page = await openPage(lab.url, { viewport: { width: 1440, height } });
    await says(page, '#news', /Log in everywhere\. Then crash everything\.$/);
    expect(await prominent(page)).toEqual([logIn]);
    expect(await page.locator('.now').allTextContents()).toEqual(steps.map(() => 'logged out'));
    const cells = await page.locator('td[data-column]').allTextContents();
    expect(cells.filter(Boolean), 'outcomes').toEqual([]);
    const last = await page.locator('.row').last().boundingBox();
    expect((last?.y ?? height) + (last?.height ?? 0), 'the end of the table').toBeLessThan(height);
    for (const column of Object.keys(columns)) {
      const [button, head] = await Promise.all(
        ['.console button', 'thead th'].map((part) =>
          page.locator(`${part}[data-column="${column}"]`).boundingBox(),
        ),
      );
      expect(button?.x, `the button above ${column}`).toBeCloseTo(head?.x ?? 0, 0);
      expect(button?.width).toBeCloseTo(head?.width ?? 0, 0);
    }
  });

  test('log in everywhere, then crash everything: the lab and the pages say what was lost', async () => {
    const window = await openWindow(browser, { viewport: { width: 1440, height: 900 } });
    onTestFinished(window.close);
    const pages = new Map<string, Page>();
    for (const step of ['01-in-memory', '03-knex-sqlite']) {
      const page = await window.open(`${lab.url}/${step}/`);
      pages.set(step, page);
      await page.getByRole('button', { name: 'Log in' }).click();
      await says(page, '#headline', 'Logged in as demo.');
    }
    const page = await window.open(lab.url);
    await page.locator('.console [aria-disabled="false"]').first().waitFor();
    expect(await prominent(page)).toEqual([logIn]);
    await press(page, logIn, /^Logged in to steps 01 to \d\d as demo\./);
    expect(await prominent(page)).toEqual(['Crash everything']);
    const lost = 'You are logged out of steps 01 and 02.';
    const kept = 'You are still logged in to steps 03 to';
    await press(page, 'Crash everything', new RegExp(`^${lost} ${kept}`));
    expect(await prominent(page), 'the login that was lost').toEqual([logIn]);
    const seen = ['user data stored', 'after SIGKILL'];
    const expected = steps.map((step) => [
      keeps(step) ? 'logged in' : 'logged out',
      ...textsOf(outcomesOf(step)).map((text, at) => (seen.includes(titles[at] ?? '') ? text : '')),
    ]);
    const rows = await page.locator('.row').all();
    const cells = rows.map((row) => row.locator('td').allTextContents());
    expect(await Promise.all(cells)).toEqual(expected);
    const signs = page.locator('td[data-column="crash"]').evaluateAll((cells) => {
      return cells.map((cell) => getComputedStyle(cell, '::before').content.slice(1, 2));
    });
    expect(await signs, 'not only colours').toEqual(steps.map((step) => (keeps(step) ? '✓' : '✗')));

    // In a narrow window, the first screen shows the outcome of every step. The lab still knows them.
    const [width, height] = [360, 740];
    await page.setViewportSize({ width, height });
    await page.reload();
    for (const step of steps) {
      const cell = page.locator(rowOf(step)('[data-column="crash"]'));
      await cell.and(page.getByText(keeps(step) ? 'kept' : 'lost')).waitFor();
      const box = await cell.boundingBox();
      expect((box?.x ?? width) + (box?.width ?? 0), step).toBeLessThanOrEqual(width);
      expect((box?.y ?? height) + (box?.height ?? 0), step).toBeLessThanOrEqual(height);
    }

    for (const [step, page] of pages) {
      const outcome = keeps(step) ? 'You are still logged in as demo.' : 'You are logged out.';
      await says(page, '#headline', outcome);
      await says(page, '#detail', /^The server is back \(process \d+ → \d+\)\./);
      const cookie = keeps(step) ? /^sid = s:.{8}…$/ : /the server has no session for it/;
      await says(page, '#cookie', cookie);
      expect(await page.locator('#lab a').getAttribute('href')).toBe('../');
      const polling = await (await page.waitForRequest(/\/inspect$/)).allHeaders();
      expect(polling, 'polling prolongs no session').not.toHaveProperty('cookie');
    }
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
    await says(page, row('.now'), 'logged in');
    await tabTo(page, '04-minimal-payload');
    await page.keyboard.press('Enter');
    await tabTo(page, 'Restart step 04');
    await page.keyboard.press('Enter');
    await says(page, '#news', 'In step 04, the server is back, and you are still logged in.');
    expect(await focused(page), 'the focus stays').toBe('Restart step 04');
    await says(page, row('[data-column="restart"]'), 'kept');
  });

  test('names both steps that were killed elsewhere, and why a step does not start', async () => {
    const step = '02-pruned-memory';
    const [folder = ''] = await folders();
    const file = join(folder, step, 'test.sqlite3');
    const row = rowOf(step);
    const page = await openPage(lab.url);
    await says(page, row('.now'), 'logged out');
    for (const { processId } of (await readState()).slice(0, 2)) {
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
    await says(page, row('.process'), 'down: the server was killed');
    expect(await prominent(page), 'the button to press').toEqual(['Start']);
    await rename(file, `${file}.away`);
    await mkdir(file);
    const start = page.getByRole('button', { name: 'Start step 02', exact: true });
    await start.click();
    await says(page, row('.error'), /^Cannot open the database .*DATABASE_URL.*\.$/);
    await rm(file, { recursive: true });
    await rename(`${file}.away`, file);
    await start.click();
    await says(page, '#news', 'In step 02, the server is back.');
    await says(page, row('.process'), /^process \d+$/);
  });

  test('when its database fails, step 04 dies, and step 05 answers with an error until it is back', async () => {
    const page = await openPage(lab.url);
    const [row04, row05] = ['04-minimal-payload', '05-failing-database'].map(rowOf);
    const click = (name: string) => page.getByRole('button', { name, exact: true }).click();
    const lookOf = (row = (part: string) => part) =>
      page.locator(row('.now')).evaluate((now) => getComputedStyle(now).color);
    await press(page, logIn, /^Logged in to steps/);
    await click('04-minimal-payload');
    const died = 'the server died because its database failed. Restore it in its row.';
    await press(page, 'Break database step 04', `In step 04, ${died}`);
    await says(page, row04?.('.now') ?? '', 'server down');
    await click('05-failing-database');
    await click('Break database step 05');
    await says(page, row05?.('.now') ?? '', 'database fails');
    const failing = 'the database fails, and the server answers with an error.';
    await says(page, '#news', `In step 04, ${died} In step 05, ${failing}`);
    expect(await lookOf(row04)).not.toBe(await lookOf(row05));
    expect(await focused(page), 'the focus stays').toBe('Restore database step 05');
    expect(await prominent(page)).toEqual(['Restore database', 'Restore database']);
    await looksGood(page);
    await click('Restore database step 05');
    await says(page, row05?.('[data-column="failure"]') ?? '', '503, and back');
    const repaired = 'the database is back. Start the server in its row.';
    await press(page, 'Restore database step 04', new RegExp(`^In step 04, ${repaired}`));
    await press(page, 'Start step 04', /^In step 04, the server is back, and you are still logged/);
    await says(page, row04?.('[data-column="failure"]') ?? '', 'the process dies');
  });

  test('the highlighted button, pressed until there is none, fills in the table as npm run compare does', async () => {
    const page = await openPage(lab.url);
    const next = page.locator('.console .primary[aria-disabled="false"]');
    const end = page.getByText(/You have tried everything\. The chapters/);
    let news = '';
    for (;;) {
      await next.or(end).waitFor({ timeout: ALL_STEPS });
      news += `${await page.locator('#news').textContent()} `;
      if (await end.isVisible()) break;
      await next.click();
    }
    const [head, ...rows] = await page.locator('thead tr, .row').all();
    expect(await head?.locator('th').allTextContents()).toEqual(['step', 'now', ...titles]);
    const cells = rows.map((row) => row.locator('th, td:not(.now)').allTextContents());
    expect(await Promise.all(cells)).toEqual(
      steps.map((step) => [step, ...textsOf(outcomesOf(step))]),
    );
    expect(news).toContain("In steps 01 to 03, the session holds the user's id, name and hash.");
    expect(news).toContain('In steps 01 to 07, the thief is still logged in.');
    expect(news).toMatch(/In step 03, .* died|In steps 03 and 04, the process died/);
    expect(await prominent(page)).toEqual([]);
    await looksGood(page);
  });

  /** The buttons that the lab highlights and shows. */
  function prominent(page: Page): Promise<string[]> {
    return page.locator('button.primary:visible').allTextContents();
  }

  /** Presses a button, and waits for the news. */
  async function press(page: Page, name: string, news: string | RegExp): Promise<void> {
    const button = page.getByRole('button', { name, exact: true });
    await button.and(page.locator('[aria-disabled="false"]')).click();
    await says(page, '#news', news, ALL_STEPS);
  }

  /** A page in a window of its own, which closes with the test. */
  async function openPage(url: string, options = {}): Promise<Page> {
    const { open, close } = await openWindow(browser, { breaksDatabase: true, ...options });
    onTestFinished(close);
    return open(url);
  }
});

describe('npm start', () => {
  test('shows the first screen at once, while the steps are still starting', () => {
    expect(atFirst.map(({ phase }) => phase)).toContain('starting');
  });

  test('refuses what other websites send, and takes it from its own page', async () => {
    const crash = `${lab.url}/lab/steps/01-in-memory/crash`;
    const before = await processes();
    for (const headers of [{ Host: 'evil.example' }, { Origin: 'http://evil.example' }]) {
      for (const path of ['', '/lab/events', '/01-in-memory/inspect']) {
        expect(await send('GET', lab.url + path, headers), `GET ${path}`).toBe(403);
      }
      expect(await send('POST', crash, headers), 'a crash').toBe(403);
    }
    expect(await send('GET', crash), 'a link that crashes').toBe(404);
    expect(await processes(), 'the processes').toEqual(before);
    expect(await send('POST', crash, { Origin: lab.url }), 'its own page').toBe(200);
    expect(await processes()).toEqual(before.slice(1));
    expect(await send('POST', `${lab.url}/lab/steps/99-nothing/start`)).toBe(404);
    expect(await send('POST', `${lab.url}/lab/steps/01-in-memory/constructor`)).toBe(404);
  });

  test('gives a step only its own cookies, whatever else the browser has for this machine', async () => {
    const other = 'sid=s%3Aof-a-step-that-was-started-by-hand.x';
    const url = `${lab.url}/09-refuse-strangers/api`;
    const headers = { cookie: other, 'Content-Type': 'application/json' };
    const login = await fetch(`${url}/login`, {
      method: 'POST',
      headers,
      body: JSON.stringify(demo),
    });
    const own = login.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
    const cookie = [...own, other].join('; ');
    expect(own).toContainEqual(expect.stringMatching(/^09-refuse-strangers\.sid=/));
    expect((await fetch(`${url}/me`, { headers: { cookie } })).status).toBe(200);
    const elsewhere = await fetch(`${lab.url}/07-cheap-reads/api/me`, { headers: { cookie } });
    expect(elsewhere.status).toBe(401);
  });

  test('leaves no process behind when it is killed; the next lab deletes its databases', async () => {
    const running = await processes();
    expect(running.length).toBeGreaterThanOrEqual(3);
    const [left = ''] = await folders();
    await lab.end('SIGKILL');
    const deadline = Date.now() + 5000;
    while (running.some(isAlive) && Date.now() < deadline) await pause(20);
    expect(running.filter(isAlive), 'processes left after 5 seconds').toEqual([]);
    expect(existsSync(left), 'the databases of the lab that was killed').toBe(true);
    lab = await startLab();
    expect(existsSync(left), 'its databases, once the next lab has started').toBe(false);
  });

  test.each(['SIGTERM', 'SIGHUP'] as const)(
    'leaves nothing behind at %s while its steps are still starting',
    async (signal) => {
      if (lab.hasEnded) lab = await startLab();
      const [first] = await readState(([first]) => first?.phase === 'up');
      const running = await processes();
      expect(running).toContain(first?.processId);
      expect(await lab.end(signal)).toMatchObject({ code: 0, stderr: '' });
      expect(running.filter(isAlive), 'processes left').toEqual([]);
      expect(await folders(), 'databases left').toEqual([]);
    },
  );
});

/** Starts the lab as `npm start` does, and waits until it listens. Its steps may still be starting. */
function startLab(): Promise<ServerProcess> {
  return ServerProcess.startScript('lab/main.ts', {});
}

/** Reads what the lab tells its page, until it tells what the test waits for: the state of every step, in order. */
async function readState(until = (_states: StepState[]) => true): Promise<StepState[]> {
  const { body } = await fetch(`${lab.url}/lab/events`);
  let received = '';
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (received + text).split('\n\n');
    received = messages.pop() ?? '';
    const states = messages.map((message): StepState[] =>
      JSON.parse(/^data: (.*)$/m.exec(message)?.[1] ?? ''),
    );
    const found = states.find(until);
    if (found) return found; // which ends the request
  }
  throw new Error('The lab ended.');
}

/** @returns the processes of the steps that run. */
async function processes(): Promise<number[]> {
  return (await readState()).flatMap(({ processId }) => processId ?? []);
}

/** @returns the folders that hold the databases of the lab: one while it runs, none when it has ended. */
async function folders(): Promise<string[]> {
  const prefix = `keep-users-logged-in-lab-${lab.processId}-`;
  const names = await readdir(tmpdir());
  return names.filter((name) => name.startsWith(prefix)).map((name) => join(tmpdir(), name));
}
