import { join, relative } from 'node:path';
import { startLab } from '#lab/lab.ts';
import { launchChromium } from './chromium.ts';
import { command } from './command.ts';
import { root } from './steps.ts';

const picture = join(root, 'lab/screenshot.png');

// npm run screenshot: the picture in the README, of the lab after everything has crashed.
await command(async () => {
  const browser = await launchChromium();
  const lab = await startLab({ port: 0 });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(lab.url);
    await page.getByText('Log in everywhere. Then crash everything.').waitFor();
    await page.getByRole('button', { name: 'Log in everywhere' }).click();
    await page.getByText('Now crash everything.').waitFor();
    await page.getByRole('button', { name: 'Crash everything' }).click();
    await page.getByText('You are still logged in').waitFor();
    await page.mouse.move(0, 0);
    await page.screenshot({ path: picture, fullPage: true });
    console.log(`The picture is in ${relative(root, picture)}.`);
  } finally {
    await Promise.all([browser.close(), lab.close()]);
  }
});
