import { describe, expect, test } from 'vitest';
import { ada } from '#tools/browser.ts';
import { HOUR, stopClock } from './clock.ts';
import { loggedIn } from './login.ts';
import type { Step } from './running-step.ts';
import { settled, statementsOf } from './temporary.ts';

/** Tests what every step with a store in a database does, with controls that show that these tests can fail. */
export function describePersistence(step: Step): void {
  describe('a session in the database', () => {
    test('still knows who you are when the server restarts', async () => {
      const { server, browser } = await loggedIn(step);
      await server.restart();
      expect(
        await browser.whoAmI(),
        'the restart logged you out. Give session() a store that writes to the database: chapter 3, The code',
      ).toBe('ada');
      await server.restart();
      expect(
        await browser.whoAmI(),
        'a second restart logged you out. Does something empty the table at startup? Chapter 3, The code',
      ).toBe('ada');
    });

    test('stays gone after a restart if you logged out before it', async () => {
      const { server, browser } = await loggedIn(step);
      await browser.logOut();
      await server.restart();
      const who = await browser.whoAmI();
      expect(
        who,
        'the logout left the session in the table. Call destroy: chapter 1, The code',
      ).toBeUndefined();
    });

    test('deletes expired rows within the hour, and keeps the others', async () => {
      const clock = stopClock();
      const { server, browser } = await loggedIn(step);
      const { sessionId } = browser;
      const passHours = async (hours: number) => {
        for (let hour = 0; hour < hours; hour++) {
          // Hour by hour, as on a real clock, because each clean-up must end before the next one is scheduled.
          await clock.advance(HOUR);
          await settled(server.knex);
        }
      };
      await passHours(12);
      await server.browser().logIn(ada); // a second session, half a day younger
      expect(await server.knex('sessions').pluck('sid')).toHaveLength(2);
      await passHours(14);
      const left = await server.knex('sessions').pluck('sid');
      expect(
        left,
        'of one expired and one live row, one should be left. Set cleanupInterval to an hour: chapter 3, The code',
      ).toHaveLength(1);
      expect(left, 'the live session was deleted, and the expired one is left').not.toContain(
        sessionId,
      );
    });

    test('looks for expired rows no more than once an hour', async () => {
      const clock = stopClock();
      const { server } = await loggedIn(step);
      const deletions = statementsOf(server.knex, 'delete');
      for (let time = 0; time < 5; time++) {
        await clock.advance(0.19 * HOUR);
        await settled(server.knex);
      }
      expect(
        deletions,
        'the clean-up ran within the hour. Set cleanupInterval to an hour: chapter 3, The code',
      ).toEqual([]);
    });
  });

  describe('controls: the same restart loses the session when', () => {
    test('the secret changed', async () => {
      const { server, browser } = await loggedIn(step);
      await server.restart({ secret: 'made anew at each start' });
      expect(await browser.whoAmI()).toBeUndefined();
    });

    const isFile = typeof step === 'function' || step.store === undefined;
    test(`the database ${isFile ? 'file ' : ''}was deleted`, async () => {
      const { server, browser } = await loggedIn(step);
      await server.restart({ meanwhile: server.database.empty });
      expect(await browser.whoAmI()).toBeUndefined();
    });

    if (!isFile) return;
    test('the database was only in memory', async () => {
      const { server, browser } = await loggedIn(step, { databaseUrl: 'file::memory:' });
      await server.restart();
      expect(await browser.whoAmI()).toBeUndefined();
    });
  });
}
