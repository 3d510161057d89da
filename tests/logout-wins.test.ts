import { once } from 'node:events';
import express from 'express';
import session from 'express-session';
import request from 'supertest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createApp as createStep04 } from '#steps/04-minimal-payload/app.ts';
import { ada, replay } from './browser.ts';
import { loggedIn } from './login.ts';
import type { RunningStep, Step } from './running-step.ts';
import { step05 } from './step05.ts';

const ROUNDS = 100;

describe(`a logout while the same session is being changed, ${ROUNDS} times`, () => {
  test('step 04: the session is back after every logout', async () => {
    expect(await countResurrections(createStep04)).toBe(ROUNDS);
  });

  test('step 05: logout wins, every time', async () => {
    expect(await countResurrections(step05)).toBe(0);
  });
});

/** @returns after how many logouts the cookie of before still opens the restricted resource. */
async function countResurrections(step: Step): Promise<number> {
  const { server, browser } = await loggedIn(step);
  await server.knex.raw('pragma synchronous = off'); // only so that it takes less time
  const slow = await slowRoute(server);
  let resurrections = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await browser.logIn(ada);
    const { cookie = '' } = browser;
    const change = await slow.begin(cookie);
    expect((await browser.logOut()).status).toBe(204);
    expect((await change.end()).status, 'the slow request').toBe(200);
    if ((await replay(server.url, cookie)).status === 200) resurrections += 1;
  }
  return resurrections;
}

/** A route beside those of the step, on the same store, which changes the session and takes its time. */
async function slowRoute(server: RunningStep) {
  let reached = () => {};
  let go = () => {};
  const app = express();
  const secret = 'a secret for tests';
  const cookie = { maxAge: 24 * 60 * 60 * 1000 };
  const { store } = server;
  app.use(session({ store, name: 'sid', secret, cookie, resave: false, saveUninitialized: false }));
  app.post('/slow', async (req, res) => {
    Object.assign(req.session, { theme: 'dark' });
    reached();
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    res.json({}); // express-session saves what changed before the answer ends
  });
  const listening = app.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onTestFinished(() => {
    listening.close();
  });
  return {
    /** Sends a request, and waits until the route has changed the session. */
    begin: async (cookie: string) => {
      const arrived = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const answer = request(listening).post('/slow').set('Cookie', cookie).then();
      await arrived;
      return {
        end: () => {
          go();
          return answer;
        },
      };
    },
  };
}
