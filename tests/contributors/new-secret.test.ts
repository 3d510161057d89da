import { expect, test } from 'vitest';
import { Browser } from '#tools/browser.ts';
import type { ServerProcess } from '#tools/server-process.ts';
import { startServer } from '../spawn.ts';
import { temporaryEnvironment } from '../temporary.ts';

test('with several servers, a new secret takes two deploys: one deploy would log users out', async () => {
  const database = await temporaryEnvironment('postgresql');
  const start = (secret: string) =>
    startServer('10-many-servers', { ...database, SESSION_SECRET: secret });
  const [old, both, next] = await Promise.all([start('old'), start('old,new'), start('new,old')]);
  expect(await knowEachOther(old, both), 'during the first deploy').toBe(true);
  expect(await knowEachOther(both, next), 'during the second').toBe(true);
  expect(await knowEachOther(old, next), 'if there were only one').toBe(false);
});

/** @returns whether each server knows the users who logged in on the other. */
async function knowEachOther(one: ServerProcess, other: ServerProcess): Promise<boolean> {
  return (await knows(one, other)) && (await knows(other, one));
}

async function knows(server: ServerProcess, login: ServerProcess): Promise<boolean> {
  const browser = new Browser(login.url);
  await browser.logIn();
  browser.moveTo(server.url);
  return (await browser.whoAmI()) !== undefined;
}
