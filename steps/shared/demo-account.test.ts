import { expect, test } from 'vitest';
import { Users } from '#database/users.ts';
import { temporaryDatabase } from '#tests/temporary.ts';
import { demo, prepareDemoAccount } from './demo-account.ts';

test('the demo account exists in development, however often the server starts', async () => {
  const users = await emptyUsers();
  await prepareDemoAccount(users, false);
  await prepareDemoAccount(users, false);
  expect(await users.verify(demo)).toMatchObject({ username: 'demo' });
  expect(await users.names()).toEqual(['demo']);
});

test('a production start deletes no account, and locks out no user who is called demo', async () => {
  const users = await emptyUsers();
  const own = { username: 'demo', password: 'a password of my own' };
  await users.add(own);
  await prepareDemoAccount(users, true);
  expect(await users.names()).toEqual(['demo']);
  expect(await users.verify(own)).toBeDefined();
});

test('production gets no demo account', async () => {
  const users = await emptyUsers();
  await prepareDemoAccount(users, true);
  expect(await users.names()).toEqual([]);
});

async function emptyUsers() {
  return new Users(await temporaryDatabase(), { bcryptCost: 4 });
}
