import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { demo } from '#steps/shared/demo-account.ts';
import { HOUR, moveDate } from '#tests/clock.ts';
import { start } from '#tests/step.ts';
import { captureErrorLog } from '#tests/store-methods.ts';
import { settled } from '#tests/temporary.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { SessionStore } from './store.ts';
import { Users } from './users.ts';

const MINUTE = 60_000;
const parts = { openDatabase, SessionStore, Users };
const body = { password: demo.password, newPassword: 'a better password' };

describe('a user has 20 sessions at most', () => {
  test('with one login more, the session ends that has been idle for the longest time', async () => {
    const step = await start(createApp, parts);
    const [active, idle] = [step.browser, step.openBrowser()];
    moveDate(0); // the clock stands still
    await active.logIn();
    await idle.post('/api/login', { ...demo, remember: true }); // it expires last
    moveDate(2 * MINUTE);
    for (let login = 0; login < 18; login++) await step.openBrowser().logIn();
    expect(await active.whoAmI()).toBe('demo');
    await step.openBrowser().logIn();
    expect(await idle.whoAmI()).toBeUndefined();
    expect(await active.whoAmI()).toBe('demo');
    expect(await step.parts.knex('sessions')).toHaveLength(20);
  });

  test('and those that have expired do not count', async () => {
    const step = await start(createApp, parts);
    const phone = step.browser;
    moveDate(0);
    await phone.post('/api/login', { ...demo, remember: true });
    moveDate(1000);
    for (let login = 0; login < 19; login++) await step.openBrowser().logIn();
    moveDate(HOUR);
    await step.openBrowser().logIn();
    expect(await phone.whoAmI()).toBe('demo');
  });

  test('and those of other users do not count', async () => {
    const step = await start(createApp, parts);
    const ada = { username: 'ada', password: 'correct horse' };
    await step.browser.register(ada);
    await step.browser.logIn(ada);
    for (let login = 0; login < 20; login++) await step.openBrowser().logIn();
    expect(await step.browser.whoAmI()).toBe('ada');
  });
});

test('the list shows the time of the last request, even when the expiry no longer moves', async () => {
  const { browser } = await start(createApp, parts);
  moveDate(0);
  await browser.logIn();
  for (let request = 0; request < 24; request++) {
    moveDate(29 * MINUTE);
    await browser.whoAmI();
  }
  moveDate(10 * MINUTE);
  await browser.whoAmI(); // the absolute timeout is near
  const [{ lastSeenAt }] = (await browser.get('/api/sessions')).body.sessions;
  expect(lastSeenAt).toBe(new Date().toISOString());
});

test('a change of the account lets nobody else write between what it reads and what it writes', async () => {
  const { file, parts: running } = await start(createApp, parts);
  const other = await openDatabase(`file:${file}`);
  onTestFinished(() => other.destroy());
  const also = () => expect(other.raw('begin immediate')).rejects.toThrow('SQLITE_BUSY');
  await new Users(running.knex).setPassword(1, body.newPassword, also);
});

describe('an attacker', () => {
  test('is logged out when the password changed during the login', async () => {
    const step = await start(createApp, parts);
    const thief = step.browser;
    vi.spyOn(Users.prototype, 'verify').mockImplementationOnce(async function (
      this: Users,
      { username },
    ) {
      const user = await this.find(username);
      await this.setPassword(user?.id ?? 0, body.newPassword, async () => {});
      return user;
    });
    expect((await thief.logIn()).status).toBe(401);
    expect(await thief.whoAmI()).toBeUndefined();
    await settled(step.parts.knex);
    expect(await step.parts.knex('sessions')).toEqual([]);
  });

  test('cannot change the password after the user has, however close the race', async () => {
    const step = await start(createApp, parts);
    const [user, thief] = [step.browser, step.openBrowser()];
    for (const browser of [user, thief]) await browser.logIn();
    const answers = await Promise.all([
      user.post('/api/password', body),
      thief.post('/api/password', { ...body, newPassword: 'evil password' }),
      thief.delete('/api/account', body),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401]);
  });

  test('does not get the session back when it ended during a password change', async () => {
    const step = await start(createApp, parts);
    const copy = step.openBrowser();
    await step.browser.logIn();
    copy.plant(step.browser.cookie ?? '');
    const { setPassword } = Users.prototype;
    vi.spyOn(Users.prototype, 'setPassword').mockImplementation(async function (
      this: Users,
      ...args
    ) {
      await copy.logOut();
      return setPassword.apply(this, args);
    });
    expect((await step.browser.post('/api/password', body)).status).toBe(401);
    expect(await step.parts.knex('sessions')).toEqual([]);
    expect((await step.browser.logIn()).status).toBe(200); // the old password is still right
  });
});

test('a login that fails half-way does not wait until its session is deleted', async () => {
  const { browser, parts: running } = await start(createApp, parts);
  captureErrorLog();
  vi.spyOn(Users.prototype, 'isCurrent').mockRejectedValue(new Error('The disk is full.'));
  const destroy = vi.spyOn(running.store, 'destroy');
  destroy.mockImplementationOnce((_sid, callback) => callback?.()); // the session before the login
  destroy.mockImplementation(() => {}); // never calls back
  expect((await browser.logIn()).status).toBe(500);
  expect(destroy).toHaveBeenCalledTimes(2);
  expect(browser.cookie).toBeUndefined();
});

test('a password change whose new session fails is done: the user has to log in again', async () => {
  const step = await start(createApp, parts);
  await step.browser.logIn();
  const logged = captureErrorLog();
  vi.spyOn(Users.prototype, 'isCurrent').mockRejectedValue(new Error('The disk is full.'));
  expect((await step.browser.post('/api/password', body)).status).toBe(204);
  expect(logged()).toEqual([expect.stringContaining('after a password change')]);
  expect(await step.browser.whoAmI()).toBeUndefined();
});
