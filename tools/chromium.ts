import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { UsageError } from './command.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

const usualPlaces = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
];

/** What to do when there is no browser. */
export const howToGetOne =
  'No Chrome or Chromium was found. Install one (npx playwright-core install chromium), ' +
  'or say where it is: CHROMIUM=/path/to/chromium.';

/** @returns the path of a Chrome or Chromium: from CHROMIUM, the PATH, the usual places, or Playwright. */
export function findChromium(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env;
  if (CHROMIUM) return CHROMIUM;
  const onPath = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return [...onPath, ...usualPlaces, chromium.executablePath()].find((path) => existsSync(path));
}

/**
 * Starts a headless browser that sends no requests of its own. The caller closes it.
 *
 * @throws {UsageError} when there is no browser.
 */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new UsageError(howToGetOne);
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  // Chromium's sandbox does not work for root, and in a container the tests run as root.
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({
    executablePath,
    args: [...quiet, ...root, '--disable-gpu', '--disable-quic', '--no-first-run'],
  });
}
