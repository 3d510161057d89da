import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import getPort from 'get-port';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { urlOf } from '#steps/shared/serve.ts';
import { ada } from '#tools/browser.ts';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { send } from '../requests.ts';
import { environmentOf, temporaryFolder } from '../temporary.ts';
import { logIn, startSite, trust, withoutNginx } from './nginx.ts';

beforeEach(({ skip }) => skip(withoutNginx !== '', withoutNginx));

test('ten deploys, in each of which both servers are replaced: no request fails', async ({
  annotate,
}) => {
  const site = await start('10-many-servers', 2);
  const load = await site.startLoad();
  for (let time = 0; time < 10; time++) {
    const before = [...site.servers];
    expect(await deploy(site)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(before.map(({ hasEnded }) => hasEnded)).toEqual([true, true]);
  }
  await load.stop();
  expect(load.failed()).toEqual([]);
  // nginx knew in time which server was about to end: without the script, it meets a closed port in each restart.
  const refused = (await site.nginx.requests()).filter((line) => / 502, /.test(line));
  expect(refused.length).toBeLessThan(10);
  await annotate(`Ten deploys: ${load.sent.length} requests, and none failed.`);
});

test('a deploy stops at a server that does not become ready; until the next deploy is done, the other one answers', async () => {
  const site = await start('10-many-servers', 2);
  const restart = (index: number) =>
    index === 0 ? site.restart(0) : site.servers[1]?.end('SIGTERM'); // the new code does not start
  expect(await deploy({ ...site, restart })).toMatchObject({ code: 7 }); // curl: connection refused
  const load = await site.startLoad();
  expect(await deploy(site)).toMatchObject({ code: 0 });
  await load.stop();
  expect(load.failed()).toEqual([]);
  expect(await readFile(site.nginx.config, 'utf8')).not.toContain(' down;');
});

test('ten times kill -9: no GET fails', async ({ annotate }) => {
  const { nginx, ports, servers, restart, startLoad } = await start('10-many-servers', 2);
  const load = await startLoad();
  for (let kill = 0; kill < 10; kill++) {
    const index = kill % 2;
    await servers[index]?.end('SIGKILL');
    await restart(index);
    await nginx.untilLogged(new RegExp(`:${ports[index]} 200$`));
    await load.answered(); // those that have met the dead server depend on the other one
  }
  await load.stop();
  const failedGets = (await nginx.requests()).filter((line) => /^\S+ (?!200).* "GET /.test(line));
  expect(failedGets, 'what each server did').toEqual([]);
  expect(load.failed('GET')).toEqual([]);
  // A server that is killed takes no attempt back, so ten logins in flight lock the account for 15 minutes.
  const locked = load.failed('POST').filter(({ outcome }) => outcome === 429).length;
  const lost = load.failed('POST').length - locked;
  await annotate(
    `Ten kills: ${load.sent.length} requests. No GET failed, ${lost} logins did, and ${locked} were refused.`,
  );
});

test('a server that hangs is left out: the other answers each GET, and no POST is sent twice', async ({
  annotate,
}) => {
  const { nginx, servers, startLoad } = await start('10-many-servers', 2);
  const load = await startLoad();
  const processId = servers[0]?.processId ?? 0;
  const known = (await nginx.requests()).length;
  process.kill(processId, 'SIGSTOP');
  onTestFinished(() => void process.kill(processId, 'SIGCONT'));
  await nginx.untilLogged(/ 504, 200$/);
  await load.until('/api/login', 200);
  await load.stop();
  const lines = await nginx.requests(known);
  const slow = lines.filter((line) => / 504(, \d+)?$/.test(line));
  expect(load.failed('GET')).toEqual([]);
  expect(slow.filter((line) => /POST.*,/.test(line))).toEqual([]);
  expect(slow.length).toBeLessThan(lines.length / 4);
  expect(Math.max(...slow.map((line) => Number(line.split(' ')[2])))).toBeLessThan(30);
  const lost = load.failed('POST').length;
  await annotate(
    `A server hangs: of ${lines.length} requests, ${slow.length} took ten seconds, and ${lost} logins failed.`,
  );
});

test('while the only server, of step 9, restarts, its users get a 503, and stay logged in', async () => {
  const { nginx, servers, restart } = await start('09-refuse-strangers', 1);
  const cookie = await logIn(nginx.url, ada);
  const ask = () => send('GET', `${nginx.url}/api/me`, { cookie }, '', trust);
  expect(await ask()).toBe(200);
  await servers[0]?.end('SIGTERM');
  expect(await ask()).toBe(503);
  await restart(0);
  expect(await ask()).toBe(200);
  // The page has two commands about the log.
  const page = await readFile(join(root, 'docs/operating.md'), 'utf8');
  const printed = async (beginning: string) => {
    const command = page.split('\n').find((line) => line.startsWith(beginning)) ?? '';
    const here = command.replace('/var/log/nginx/keep-logged-in.log', nginx.log);
    return (await run('bash', ['-c', here])).stdout;
  };
  await expect.poll(() => printed('cut -d')).toMatch(/^ +3 200\n +1 201\n +1 503\n$/);
  expect(await printed('grep ')).toMatch(/^\d+\.\d{3}\n$/);
});

type Site = Awaited<ReturnType<typeof start>>;

/** Starts servers on free ports of this machine, behind nginx. */
async function start(step: string, count: number) {
  const ports = await Promise.all(Array.from({ length: count }, () => getPort()));
  const places = ports.map((port) => ({ address: `127.0.0.1:${port}` }));
  return { ports, ...(await startSite(step, await environmentOf(step), places)) };
}

/** Runs the printed script, with a `systemctl` that lets this test do what it is told. */
async function deploy(site: Pick<Site, 'nginx' | 'ports'> & { restart(index: number): unknown }) {
  const { nginx, ports, restart } = site;
  const control = createServer(async (req, res) => {
    const [, verb, unit = ''] = req.url?.split('/') ?? [];
    if (verb === 'reload') nginx.reload();
    else await restart(ports.indexOf(Number(unit.split('@')[1])));
    res.end();
  }).listen(0, '127.0.0.1');
  await once(control, 'listening');
  onTestFinished(() => void control.close());
  const folder = await temporaryFolder();
  const program = join(folder, 'systemctl');
  await writeFile(program, `#!/bin/sh\nexec curl --fail --silent "${urlOf(control)}/$1/$2"\n`);
  await chmod(program, 0o755);
  const printed = await readFile(join(root, 'docs/operating/deploy.sh'), 'utf8');
  const script = printed
    .replace(/config=.*/, `config=${nginx.config}`)
    .replaceAll('3000', `${ports[0]}`)
    .replaceAll('3001', `${ports[1]}`)
    .replace('--retry 30', '--retry 1');
  return run('sh', ['-c', script], { env: { PATH: `${folder}:${process.env.PATH}` } });
}
