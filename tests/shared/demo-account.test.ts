import { expect, test } from 'vitest';
import { demo, prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { emptyUsers } from '#tests/users.ts';

test('the demo account exists in development, however often the server starts', async () => {
  const users = await emptyUsers();
  await prepareDemoAccount(users, false);
  await prepareDemoAccount(users, false);
  expect(await users.verify(demo), 'no demo account').toMatchObject({ username: 'demo' });
  expect(await users.names()).toEqual(['demo']);
});

test('in production, the public password of the demo account is refused, even if the account exists', async () => {
  const users = await emptyUsers();
  await prepareDemoAccount(users, false);
  await prepareDemoAccount(users, true);
  expect(await users.verify(demo), 'a public password opens a production server').toBeUndefined();
});

test('a production start deletes no account, and locks out no user who is called demo', async () => {
  const users = await emptyUsers();
  const own = { username: 'demo', password: 'a password of my own' };
  await users.add(own);
  await prepareDemoAccount(users, true);
  expect(await users.names(), "a production start deleted a user's account").toEqual(['demo']);
  expect(await users.verify(own), 'a user called demo was locked out').toBeDefined();
});

test('production gets no demo account', async () => {
  const users = await emptyUsers();
  await prepareDemoAccount(users, true);
  expect(await users.names()).toEqual([]);
});
