import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import getPort from 'get-port';
import { expect, onTestFinished } from 'vitest';
import type { Credentials } from '#database/users.ts';
import { ada, Browser } from '#tools/browser.ts';
import { ChildProcess, run } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root } from '#tools/steps.ts';
import { sessionCookieOf } from '../requests.ts';
import { temporaryFolder } from '../temporary.ts';
import { Load, visitor } from './load.ts';

const pem = join(root, 'tests/localhost.pem');
const PAUSE = 100; // milliseconds between two requests of a client

/** For a client of nginx: the certificate of the tests is signed by nobody. */
export const trust = { rejectUnauthorized: false };

/** Why tests with nginx cannot run here, or an empty string. */
export const withoutNginx =
  (await run('nginx', ['-v'])).code === 0 ? '' : 'needs nginx: apt-get install nginx';

/** Where a program runs: on this machine, unless a command runs it elsewhere, such as in another network. */
interface Place {
  address: string;
  within?: string[];
}

/**
 * Real servers of a step, with nginx in front. They end with the test.
 *
 * @param places where the servers run. Each address has a port, such as `127.0.0.1:3000`.
 */
export async function startSite(
  step: string,
  environment: NodeJS.ProcessEnv,
  places: Place[],
  proxy?: Place,
) {
  const production = {
    NODE_ENV: 'production',
    SESSION_SECRET: 'x'.repeat(32),
    ALLOWED_HOSTS: proxy?.address ?? '127.0.0.1',
    DRAIN: '0.5',
  };
  const servers: ServerProcess[] = [];
  onTestFinished(async () => {
    for (const server of servers) await server.end('SIGKILL');
  });
  /** Starts a server again, with a SIGTERM if it is still running. */
  const restart = async (index: number) => {
    await servers[index]?.end('SIGTERM');
    const { address = '', within = [] } = places[index] ?? {};
    const [HOST, PORT] = address.split(':');
    const own = { ...production, ...environment, HOST, PORT };
    servers[index] = await ServerProcess.start(step, own, { within });
  };
  await Promise.all(places.map((_, index) => restart(index)));
  const nginx = await startNginx(
    places.map(({ address }) => address),
    proxy,
  );
  const startLoad = async () => {
    const cookie = await logIn(nginx.url, ada);
    await logIn(nginx.url, visitor);
    const load = new Load(nginx.url, [cookie], { ...trust, pause: PAUSE });
    onTestFinished(() => load.stop());
    await load.until('/api/login', 200);
    return load;
  };
  return { nginx, servers, restart, startLoad };
}

/** nginx with the configuration that the text prints. Only what belongs to one machine is replaced: addresses and paths. */
async function startNginx(
  servers: string[],
  { address, within = [] }: Place = { address: '127.0.0.1' },
) {
  const folder = await temporaryFolder();
  const config = join(folder, 'nginx.conf');
  const log = join(folder, 'requests.log');
  const [http, https] = [await getPort(), await getPort()];
  const places: Record<string, string> = {
    'listen 80': `listen ${address}:${http}`,
    'listen 443': `listen ${address}:${https}`,
    '/etc/letsencrypt/live/shop.example/fullchain.pem': pem,
    '/etc/letsencrypt/live/shop.example/privkey.pem': pem,
    '/var/log/nginx/keep-logged-in.log': log,
  };
  let text = await readFile(join(root, 'docs/operating/nginx.conf'), 'utf8');
  for (const [printed, place] of Object.entries(places)) {
    expect(text).toContain(printed);
    text = text.replaceAll(printed, place);
  }
  text = text.replaceAll(/^ *listen \[::\].*\n/gm, ''); // not every machine has IPv6
  const left = [...servers];
  text = text.replaceAll(/^ *server 127.*\n/gm, (line) => {
    const server = left.shift();
    return server ? line.replace(/127\S+/, server) : '';
  });
  await writeFile(config, text);
  const temporary = join(folder, 'temporary');
  await mkdir(temporary);
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const main = join(folder, 'main.conf');
  await writeFile(
    main,
    `daemon off; worker_processes 2; pid ${join(folder, 'pid')};
events {}
http {
  access_log off; # unless the printed file says otherwise
  ${kinds.map((kind) => `${kind}_temp_path ${join(temporary, kind)};`).join(' ')}
  include ${config};
}
`,
  );
  const [program = '', ...args] = [...within, 'nginx', '-e', 'stderr', '-c', main];
  const nginx = new ChildProcess(program, args);
  onTestFinished(async () => {
    await nginx.end('SIGTERM');
  });
  const isUp = () =>
    fetch(`http://${address}:${http}`, { redirect: 'manual' }).then(
      ({ status }) => status,
      () => nginx.stderr,
    );
  await expect.poll(isUp, { interval: 20 }).toBe(308);

  /** @returns the lines of its log, one for each request. @param since leaves out so many. */
  const requests = async (since = 0) => (await readFile(log, 'utf8')).split('\n').slice(since, -1);
  return {
    /** Where browsers find it. */
    url: `https://${address}:${https}`,
    /** The printed file. */
    config,
    log,
    requests,
    /** Reads its configuration again. */
    reload: () => void process.kill(nginx.processId ?? 0, 'SIGHUP'),
    /** Waits for a line in its log, from now on. */
    async untilLogged(line: RegExp) {
      const since = (await requests()).length;
      const logged = expect.arrayContaining([expect.stringMatching(line)]);
      await expect.poll(() => requests(since), { interval: 50 }).toEqual(logged);
    },
  };
}

/** Registers a user behind nginx, and logs in. @returns the cookie. */
export async function logIn(url: string, credentials: Credentials): Promise<string> {
  const browser = new Browser(url, trust);
  expect((await browser.register(credentials)).status).toBe(201);
  const response = await browser.logIn(credentials);
  expect(response.status).toBe(200);
  return /^[^;]+/.exec(sessionCookieOf(response, '__Host-sid'))?.[0] ?? '';
}
