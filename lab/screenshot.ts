import { writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Page } from 'playwright-core';
import { launchChromium } from '#tools/chromium.ts';
import { command } from '#tools/command.ts';
import { root } from '#tools/steps.ts';
import { Animation } from './animation.ts';
import { startLab } from './lab.ts';
import { takePicturesOfStep } from './screenshot-step.ts';

// npm run screenshot: the pictures in README.md, of the lab after everything was tried, an animation of a crash, and the
// pictures in chapter 1.
await command(async () => {
  const browser = await launchChromium();
  const lab = await startLab({ port: 0 });
  try {
    const viewport = { width: 1240, height: 720 };
    const page = await browser.newPage({ viewport, deviceScaleFactor: 1.5 });
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await page.goto(lab.url);
    await save('lab/crash.webp', await recordCrash(page));
    await tryEverything(page);
    await page.mouse.move(0, 0);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const picture = await page.screenshot({ type: 'jpeg', quality: 70, fullPage: true });
      await save(`lab/screenshot-${colorScheme}.jpg`, picture);
    }
    const pictures = await takePicturesOfStep(browser);
    console.log(pictures.map((path) => relative(root, path)).join('\n'));
  } finally {
    await Promise.all([browser.close(), lab.close()]);
  }
});

/** Logs in everywhere and crashes everything. @returns an animated WebP of it */
async function recordCrash(page: Page): Promise<Buffer> {
  const next = nextButton(page);
  await next.waitFor({ timeout: 120_000 });
  const animation = new Animation(page);
  await animation.add(1500);
  await next.click();
  await next.and(page.getByText('Crash everything')).waitFor();
  await animation.add(1500);
  await next.click();
  for (const news of ['All servers are down.', 'The servers are starting again …']) {
    await page.getByText(news).waitFor();
    await animation.add(1000);
  }
  for (const row of [2, 5, 8]) {
    const outcome = page.locator(
      `tbody:nth-of-type(${row}) [data-column="after SIGKILL"]:not([data-mood="awaited"])`,
    );
    await outcome.waitFor({ timeout: 60_000 });
    await animation.add(500);
  }
  await next.waitFor({ timeout: 60_000 });
  await animation.add(5000);
  return animation.toBuffer();
}

/** Presses the button that the lab highlights, until there is none. */
async function tryEverything(page: Page): Promise<void> {
  const next = nextButton(page);
  const end = page.getByText('You have tried everything.');
  for (;;) {
    await next.or(end).waitFor({ timeout: 120_000 });
    if (await end.isVisible()) return;
    await next.click();
  }
}

function nextButton(page: Page) {
  return page.locator('.console .primary:not([data-working])');
}

async function save(path: string, picture: Buffer): Promise<void> {
  await writeFile(join(root, path), picture);
  console.log(`${path}: ${Math.round(picture.length / 1000)} kB`);
}
