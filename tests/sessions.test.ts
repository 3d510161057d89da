import { describe, expect, test } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { replay } from '#tools/browser.ts';
import { HOUR, moveDate } from './clock.ts';
import { startStep, stepOf, steps } from './every-step.ts';

const MINUTE = HOUR / 60;
const DAY = 24 * HOUR;
const change = { password: demo.password, newPassword: 'a better password' };

// What step 08 brings still works in later steps, and on PostgreSQL. The attacks themselves are in its folder.
describe.each(steps.filter((name) => stepOf(name) >= '09'))('step %s', (name) => {
  test('lists the sessions of a user, and ends one of them', async () => {
    const step = await startStep(name);
    const [user, thief] = [step.browser, step.openBrowser()];
    moveDate(0); // the clock stands still
    await user.logIn();
    moveDate(1000);
    await thief.logIn();
    moveDate(5 * MINUTE);
    await thief.whoAmI();
    const lastSeenAt = new Date().toISOString();
    moveDate(MINUTE);
    const [stolen, own] = (await user.get('/api/sessions')).body.sessions;
    expect(stolen).toMatchObject({ current: false, lastSeenAt });
    expect(own).toMatchObject({ current: true });
    expect((await user.delete(`/api/sessions/${stolen.id}`)).status).toBe(204);
    expect(await thief.whoAmI()).toBeUndefined();
    expect(await user.whoAmI()).toBe('demo');
  });

  test('ends the others when the password changes, and gives this one a new id', async () => {
    const step = await startStep(name);
    const other = step.openBrowser();
    for (const browser of [step.browser, other]) await browser.logIn();
    const { cookie = '' } = step.browser;
    expect((await step.browser.post('/api/password', change)).status).toBe(204);
    expect(await other.whoAmI()).toBeUndefined();
    expect(await step.browser.whoAmI()).toBe('demo');
    expect((await replay(step.url, cookie)).status).toBe(401);
  });

  test('leaves nothing of a deleted account', async () => {
    const { browser, parts } = await startStep(name);
    await browser.logIn();
    expect((await browser.delete('/api/account', demo)).status).toBe(204);
    expect(await parts.knex('users')).toEqual([]);
    expect(await parts.knex('sessions')).toEqual([]);
  });

  test.each([
    ['a session after 30 minutes', false, 30 * MINUTE],
    ['a remembered session after 30 days', true, 30 * DAY],
  ])('ends %s without a request', async (_what, remember, lifetime) => {
    const { browser, url } = await startStep(name);
    moveDate(0);
    await browser.post('/api/login', { ...demo, remember });
    const { cookie = '' } = browser;
    moveDate(lifetime + 1000);
    expect((await replay(url, cookie)).status).toBe(401);
    moveDate(-2000); // not before, because a request would extend the session
    expect((await replay(url, cookie)).status).toBe(200);
  });

  test('counts wrong passwords in its database, and forgets them after 15 minutes', async () => {
    const step = await startStep(name);
    moveDate(0);
    const wrong = { ...demo, password: 'wrong horse' };
    for (let guess = 0; guess < 10; guess++) await step.browser.logIn(wrong);
    await step.restart();
    expect((await step.browser.logIn()).status).toBe(429);
    moveDate(15 * MINUTE + 1000);
    expect((await step.browser.logIn()).status).toBe(200);
  });
});
