import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import getPort from 'get-port';
import { expect, onTestFinished, test } from 'vitest';
import { Browser } from '#tools/browser.ts';
import { ChildProcess, run } from '#tools/processes.ts';
import { startServer } from '../spawn.ts';
import { temporaryEnvironment, temporaryFolder } from '../temporary.ts';
import { notAsRoot } from './debian-postgres.ts';

const { code } = await run('pgbouncer', ['--version']);

test('step 10 works through PgBouncer in transaction mode', async ({ skip }) => {
  skip(code !== 0, 'needs PgBouncer: apt-get install pgbouncer');
  const { DATABASE_URL } = await temporaryEnvironment('postgresql');
  const server = await startServer('10-many-servers', {
    DATABASE_URL: await startPgBouncer(DATABASE_URL),
  });
  const browser = new Browser(server.url);
  await browser.logIn();
  const answers = await Promise.all(Array.from({ length: 64 }, () => browser.get('/api/me')));
  expect(answers.filter(({ status }) => status !== 200).map(({ body }) => body)).toEqual([]);
});

/** @returns the address of the same database, through PgBouncer. It gives a connection away at the end of each transaction. */
async function startPgBouncer(databaseUrl: string): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const listenPort = await getPort();
  const folder = await temporaryFolder();
  const file = join(folder, 'pgbouncer.ini');
  await chmod(folder, 0o755);
  await writeFile(
    file,
    `[databases]
* = host=${hostname} port=${port} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
`,
  );
  const bouncer = new ChildProcess('pgbouncer', [file], notAsRoot);
  onTestFinished(async () => {
    await bouncer.end('SIGKILL');
  });
  const isUp = await bouncer.printed(({ stderr }) => stderr.includes('process up'));
  if (!isUp) throw new Error(bouncer.stderr);
  return `postgres://anyone@127.0.0.1:${listenPort}${pathname}`;
}
