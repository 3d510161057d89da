import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { makeDatabase } from '#tools/databases.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root } from '#tools/steps.ts';

const step = '01-in-memory';
const schemes = ['light', 'dark'] as const;

/** Takes the pictures of chapter 1: the page of step 1 after a restart. @returns their paths */
export async function takePicturesOfStep(browser: Browser): Promise<string[]> {
  const database = await makeDatabase(step);
  const before = await ServerProcess.start(step, { DATABASE_URL: database.url });
  const PORT = new URL(before.url).port;
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  let after: ServerProcess | undefined;
  try {
    await page.goto(before.url);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('Logged in as demo.').first().waitFor();
    await before.end('SIGTERM');
    await page.getByText('The server is down.').first().waitFor();
    after = await ServerProcess.start(step, { DATABASE_URL: database.url, PORT });
    await page.getByText('You are logged out.').waitFor();
    const paths = [];
    for (const scheme of schemes) paths.push(await take(page, scheme));
    return paths;
  } finally {
    await page.close();
    await before.end('SIGTERM');
    await after?.end('SIGTERM');
    await database.remove();
  }
}

async function take(page: Page, colorScheme: (typeof schemes)[number]): Promise<string> {
  const path = join(root, `lab/step-${colorScheme}.jpg`);
  await page.emulateMedia({ colorScheme });
  await page.mouse.move(0, 0);
  const { bottom } = await page.locator('.flow').evaluate((flow) => flow.getBoundingClientRect());
  await page.screenshot({
    path,
    quality: 75,
    clip: { x: 0, y: 0, width: 1360, height: bottom + 24 },
    fullPage: true,
  });
  return path;
}
