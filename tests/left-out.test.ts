import { describe, expect, test } from 'vitest';
import { createApp } from '#steps/04-minimal-payload/app.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { ada, Browser } from './browser.ts';
import { loggedIn } from './login.ts';
import { runSql, temporaryEnvironment } from './temporary.ts';

// What the tutorial warns of at its end is shown here, so that it goes on being true: on the day that a
// library is mended, a test fails, and the warning can go.
describe('what steps 01 to 04 leave out', () => {
  test('a query that fails takes the whole server down', async () => {
    const environment = await temporaryEnvironment();
    const server = await ServerProcess.start('04-minimal-payload', environment);
    const browser = new Browser(server.url);
    await browser.register(ada);
    await browser.logIn(ada);

    await runSql(environment.DATABASE_URL, 'alter table sessions rename to away');
    expect((await browser.get('/api/me')).status).toBe(500);
    expect(await server.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such table: sessions'),
    });
  });

  test('each request writes: even one that only reads moves the expiry on', async () => {
    const { server, browser } = await loggedIn(createApp);
    const writes: string[] = [];
    server.knex.on('query', ({ sql }: { sql: string }) => {
      const [verb = ''] = sql.split(' ', 1);
      if (verb !== 'select') writes.push(verb);
    });
    await browser.whoAmI();
    expect(writes.splice(0), 'a request that reads').toEqual(['update']);
    await browser.logIn(ada);
    expect(writes, 'a login').toEqual(['delete', 'insert', 'insert']);
  });
});
