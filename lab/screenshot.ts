import { join, relative } from 'node:path';
import { launchChromium } from '#tools/chromium.ts';
import { command } from '#tools/command.ts';
import { root } from '#tools/steps.ts';
import { startLab } from './lab.ts';
import { takePicturesOfStep } from './screenshot-step.ts';

const picture = join(root, 'lab/screenshot.jpg');

const buttons = [
  'Let a day pass',
  'Log in everywhere',
  'Log out during an upload',
  'Read 100 times',
  'Steal every table',
  'Ask from another site',
  'Ask a second machine',
  'Fail every database',
  'Restart everything',
  'Log in everywhere',
  'Crash everything',
];

// npm run screenshot: the picture in the README, of the lab after every button was pressed, and those in chapter 1.
await command(async () => {
  const browser = await launchChromium();
  const lab = await startLab({ port: 0 });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(lab.url);
    const firstEnabled = page.locator('.console [aria-disabled="false"]').first();
    await firstEnabled.waitFor();
    for (const name of buttons) {
      await page.getByRole('button', { name }).click();
      await firstEnabled.waitFor(); // they are disabled while one of them works
    }
    await page.mouse.move(0, 0);
    await page.screenshot({ path: picture, quality: 70, fullPage: true });
    const pictures = [picture, ...(await takePicturesOfStep(browser))];
    console.log(`The pictures are in ${pictures.map((path) => relative(root, path)).join(', ')}.`);
  } finally {
    await Promise.all([browser.close(), lab.close()]);
  }
});
