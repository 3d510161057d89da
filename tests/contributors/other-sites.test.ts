import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { launchChromium } from '#tools/chromium.ts';
import { startServer } from '../spawn.ts';

// In a real browser: a page on another port, whose form logs the user out. The browser counts it as the same
// site, so it sends the cookie although that is SameSite=Lax.
test.each([
  ['07-cheap-reads', 204, 401],
  ['09-refuse-strangers', 403, 200],
])(
  'a form on another origin, sent to step %s, is answered %i: then /api/me is %i',
  async (step, answer, after) => {
    const { url } = await startServer(step);
    const evil = createServer((_req, res) => {
      res.setHeader('Content-Type', 'text/html');
      res.end(`<form method="post" action="${url}/api/logout"><button>A kitten</button></form>`);
    });
    evil.listen(0, '127.0.0.1');
    await once(evil, 'listening');
    const address = evil.address();
    const browser = await launchChromium();
    onTestFinished(async () => {
      await browser.close();
      evil.close();
    });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    const me = () => page.evaluate(async (url) => (await fetch(`${url}/api/me`)).status, url);
    await page.evaluate(async (body) => {
      const headers = { 'Content-Type': 'application/json' };
      await fetch('/api/login', { method: 'POST', headers, body: JSON.stringify(body) });
    }, demo);
    expect(await me(), 'the login').toBe(200);
    const victim = await context.newPage();
    await victim.goto(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`);
    const answered = victim.waitForResponse(`${url}/api/logout`);
    await victim.getByRole('button').click();
    expect((await answered).status()).toBe(answer);
    expect(await me()).toBe(after);
  },
);
