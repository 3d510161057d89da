import { expect, test } from 'vitest';
import { Browser } from '#tools/browser.ts';
import { startServer } from '../spawn.ts';
import { DebianPostgres, withoutDebianPostgres } from './debian-postgres.ts';
import { forward } from './forward.ts';

test('when PostgreSQL stops, its standby knows the sessions, first only to read them', async ({
  skip,
}) => {
  skip(withoutDebianPostgres !== '', withoutDebianPostgres);
  const primary = await DebianPostgres.start();
  const address = await forward(primary.url);
  const server = await startServer('10-many-servers', { DATABASE_URL: address.url });
  const standby = await primary.startStandby();
  const browser = new Browser(server.url);
  const known = async () => (await browser.get('/api/me')).status;
  const logIn = async () => (await new Browser(server.url).logIn()).status;
  expect((await browser.logIn()).status).toBe(200);
  const isCopied = () => standby.ask('select 1 from sessions');
  await expect.poll(isCopied).toHaveLength(1);

  await primary.end();
  expect(await known()).toBe(503);
  address.moveTo(standby.url);
  await expect.poll(known).toBe(200);
  expect(await logIn(), 'while the standby can only be read').toBe(503);

  await standby.ask('select pg_promote()');
  await expect.poll(logIn).toBe(200);
  expect(await known()).toBe(200);
  expect(server.hasEnded).toBe(false);
});
