import { AxeBuilder } from '@axe-core/playwright';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect } from 'vitest';
import { pageHeaders } from '#steps/shared/page.ts';
import { findChromium } from '#tools/chromium.ts';

/** On a reader's machine there may be no browser, and its tests are skipped. In CI there must be one. */
export const isBrowserMissing = !findChromium() && process.env.CI !== 'true';

/** Chromium reports responses such as 401, and servers that are down. The tests cause both on purpose. */
const expected = /^Failed to load resource: .*(status of (4\d\d|502)|net::ERR_)/;

/** The responses of a server whose database is broken. */
const ofDatabase = /^Failed to load resource: .*status of (500|503)/;

/**
 * Opens a browser window without cookies. Closing it checks that its pages caused no error, and sent no request to
 * another machine.
 *
 * @param breaksDatabase whether errors from a server whose database is broken are expected, too.
 */
export async function openWindow(
  browser: Browser,
  { breaksDatabase = false, ...options }: BrowserContextOptions & { breaksDatabase?: boolean } = {},
) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(60_000);
  const problems: string[] = [];
  context.on('weberror', (error) => problems.push(String(error.error())));
  context.on('console', (message) => {
    const text = message.text();
    const isExpected = expected.test(text) || (breaksDatabase && ofDatabase.test(text));
    if (message.type() === 'error' && !isExpected) problems.push(text);
  });
  context.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') problems.push(request.url());
  });
  return {
    /** Opens a page in the window, which must have the strict policy of the pages. */
    async open(url: string): Promise<Page> {
      const page = await context.newPage();
      const response = await page.goto(url);
      const policy = response?.headers()['content-security-policy'];
      expect(policy).toBe(pageHeaders['Content-Security-Policy']);
      return page;
    },
    async close(): Promise<void> {
      await context.close();
      expect(problems, 'errors in the browser, or requests to other machines').toEqual([]);
    },
  };
}

/**
 * Waits until an element of the page has a text.
 *
 * @param timeout in milliseconds.
 */
export async function says(
  page: Page,
  selector: string,
  text: string | RegExp,
  timeout = 60_000,
): Promise<void> {
  // Polls inside the page, because polling from here would keep the machine busy.
  const appears = page.waitForFunction(
    ({ selector, text }) => {
      const said = document.querySelector(selector)?.textContent?.trim() ?? '';
      return typeof text === 'string' ? said === text : text.test(said);
    },
    { selector, text },
    { timeout, polling: 50 },
  );
  const [{ status }] = await Promise.allSettled([appears]);
  if (status === 'fulfilled') return;
  const said = (await page.locator(selector).textContent())?.trim();
  const expected = typeof text === 'string' ? text : expect.stringMatching(text);
  expect(said, `${selector} on ${page.url()} after ${timeout} ms`).toEqual(expected);
}

/** On a phone, a small screen and a large one, in light and dark: nothing is empty, too wide, or a barrier. */
export async function looksGood(page: Page): Promise<void> {
  for (const [colorScheme, width] of [
    ['dark', 360],
    ['light', 800],
    ['dark', 1440],
    ['light', 1440],
  ] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    expect(await barriers(page), `${colorScheme}, ${width} pixels wide`).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
  }
  const boxes = page.locator(':is(section, dl, div, form, dd, p, li):visible');
  const texts = await boxes.allTextContents();
  expect(texts.filter((text) => !text.trim())).toEqual([]);
}

/** @returns the serious accessibility problems that axe finds: the rule, and where. */
async function barriers(page: Page): Promise<string[]> {
  // Its "legacy mode" opens no second page, which only frames need.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** Presses Tab until the element with that name has the focus. */
export async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 40 && (await focused(page)) !== name; presses++) {
    await page.keyboard.press('Tab');
  }
  expect(await focused(page), 'what the keyboard reaches').toBe(name);
}

/** @returns the name of the element that has the focus. */
export function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const { activeElement: active } = document;
    return active?.ariaLabel ?? active?.textContent?.trim() ?? '';
  });
}
