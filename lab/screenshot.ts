import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '#tools/chromium.ts';
import { command } from '#tools/command.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root } from '#tools/steps.ts';
import { startLab } from './lab.ts';

// npm run screenshot: the pictures of the lab after everything was tried, and of the page of step 1 after a restart.
await command(async () => {
  const browser = await launchChromium();
  try {
    await takeLab(browser);
    await takeStep(browser);
  } finally {
    await browser.close();
  }
});

/** Presses the button that the lab highlights, until there is none. */
async function takeLab(browser: Browser): Promise<void> {
  const lab = await startLab({ port: 0 });
  const viewport = { width: 1240, height: 720 };
  const page = await browser.newPage({ viewport, deviceScaleFactor: 1.5 });
  await page.goto(lab.url);
  const next = page.locator('.console .primary[aria-disabled="false"]');
  const end = page.getByText('You have tried everything.');
  for (;;) {
    await next.or(end).waitFor({ timeout: 120_000 });
    if (await end.isVisible()) break;
    await next.click();
  }
  await take(page, 'screenshot');
  await lab.close();
}

async function takeStep(browser: Browser): Promise<void> {
  const before = await ServerProcess.start('01-in-memory', { DATABASE_URL: 'file::memory:' });
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  await page.goto(before.url);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Logged in as demo.').first().waitFor();
  await before.end('SIGTERM');
  await page.getByText('The server is down.').first().waitFor();
  const PORT = new URL(before.url).port;
  const environment = { DATABASE_URL: 'file::memory:', PORT };
  const after = await ServerProcess.start('01-in-memory', environment);
  await page.getByText('You are logged out.').waitFor();
  await take(page, 'step');
  await after.end('SIGTERM');
}

/** Takes a page in light and in dark, down to its end. */
async function take(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const path = join(root, `lab/${name}-${colorScheme}.jpg`);
    await page.screenshot({ path, quality: 70, fullPage: true });
    console.log(path);
  }
}
