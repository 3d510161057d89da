import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { projectFiles } from '#tools/copy.ts';
import { ChildProcess, run } from '#tools/processes.ts';
import { ServerProcess } from '#tools/server-process.ts';
import { root } from '#tools/steps.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';
import { send } from '../requests.ts';
import { temporaryEnvironment, temporaryFolder } from '../temporary.ts';

const production = { NODE_ENV: 'production', SESSION_SECRET: 'x'.repeat(32) };
const unit = await readFile(join(root, 'docs/operating/keep-logged-in@.service'), 'utf8');

const ofEarlierSteps = ['connect-session-knex', 'memorystore'];
const dockerfile = await readFile(join(root, 'docs/operating/Dockerfile'), 'utf8');
let folder: string;

// As after npm ci --omit=dev, and without the stores that other steps import.
beforeAll(async () => {
  const { path, remove } = await makeTemporaryFolder();
  folder = path;
  const copy = async (file: string, make: (from: string, to: string) => Promise<void>) => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await make(join(root, file), join(folder, file));
  };
  const files = await projectFiles();
  for (const file of files.filter((file) => /^(steps|database)\/|^package\.json$/.test(file))) {
    await copy(file, cp);
  }
  const { stdout } = await run('npm', ['ls', '--omit=dev', '--all', '--parseable']);
  const paths = stdout.split('\n').map((path) => relative(root, path));
  const packages = paths.filter((path) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path));
  for (const path of packages.filter((path) => !ofEarlierSteps.includes(path.slice(13)))) {
    await copy(path, (from, to) => symlink(from, to, 'junction'));
  }
  return remove;
});

test('in production, step 09 needs no development dependency, and no store of an earlier step', async () => {
  const environment = { ...(await temporaryEnvironment()), ...production };
  const script = join(folder, 'steps/09-refuse-strangers/server.ts');
  const server = await ServerProcess.startScript(script, environment, { cwd: folder });
  onTestFinished(async () => {
    await server.end('SIGKILL');
  });
  expect(await send('GET', `${server.url}/api/me`)).toBe(401);
});

test.each([
  [
    'the unit for systemd',
    settingOf(unit, 'ExecStart=').split(' '),
    settingOf(unit, 'Environment='),
  ],
  ['the Dockerfile', JSON.parse(settingOf(dockerfile, 'CMD ')), settingOf(dockerfile, 'ENV ')],
])(
  '%s starts step 10, which needs no more than that, and ends in order at SIGTERM',
  async (_what, command, given) => {
    const [, ...args] = command;
    const here = given.replace(/PORT=\S+/, 'PORT=0').replace('DRAIN=5', 'DRAIN=0');
    const env = Object.fromEntries(here.split(' ').map((variable: string) => variable.split('=')));
    const secrets = { ...(await temporaryEnvironment('postgresql')), ...production };
    const options = { cwd: folder, env: { ...env, ...secrets }, extendEnv: false };
    const server = new ChildProcess(process.execPath, args, options);
    onTestFinished(async () => {
      await server.end('SIGKILL');
    });
    await server.printed(({ stdout }) => stdout.endsWith('\n'));
    expect(await server.end('SIGTERM')).toEqual({
      code: 0,
      signal: null,
      stdout: expect.stringContaining('10-many-servers · '),
      stderr: '',
    });
  },
);

test('systemd finds nothing wrong with the unit, and little to attack', async ({ skip }) => {
  const { code } = await run('systemd-analyze', ['--version']);
  skip(code !== 0, 'needs systemd-analyze: apt-get install systemd');
  const file = join(await temporaryFolder(), 'keep-logged-in@.service');
  await writeFile(file, unit.replace('/usr/bin/node', process.execPath));
  const all = ['--man=no', '--recursive-errors=no'];
  const { stdout, stderr } = await run('systemd-analyze', ['verify', ...all, file]);
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
  const limit = ['--offline=true', '--threshold=25']; // an exposure of 2.5, of at most 10
  expect(await run('systemd-analyze', ['security', ...limit, file])).toMatchObject({ code: 0 });
});

test('the unit lets a server do all that it asks of the system', async ({ skip }) => {
  skip(
    (await run('strace', ['-o', '/dev/null', 'true'])).code !== 0,
    'needs strace, and the permission to use it',
  );
  const trace = join(await temporaryFolder(), 'trace');
  const [, ...args] = settingOf(unit, 'ExecStart=').split(' ');
  const env = { ...production, ...(await temporaryEnvironment('postgresql')), PORT: '0' };
  const strace = ['--follow-forks', '--quiet=all', '--output', trace];
  const server = new ChildProcess('strace', [...strace, process.execPath, ...args], { env });
  await server.printed(({ stdout }) => stdout.endsWith('\n'));
  const [, url = '', processId] = /(http:\S+) · process (\d+)/.exec(server.stdout) ?? [];
  const stop = () => process.kill(Number(processId), 'SIGTERM'); // strace itself ignores it
  onTestFinished(async () => {
    if (!server.hasEnded) stop();
    await server.ended;
  });
  const proxied = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' };
  const headers = { ...proxied, 'content-type': 'application/json' };
  const credentials = JSON.stringify({ username: 'ada', password: 'correct horse' });
  expect(await send('POST', `${url}/api/register`, headers, credentials)).toBe(201);
  stop();
  await server.ended;
  const calls = (await readFile(trace, 'utf8')).matchAll(/^\d+ +(\w+)\(/gm);
  const allowed = await systemCallsOf(settingOf(unit, 'SystemCallFilter=').split(' '));
  const refused = [...calls].flatMap(([, name = '']) => (allowed.has(name) ? [] : name));
  expect(new Set(refused)).toEqual(new Set());
});

/** @returns the system calls in some groups of systemd. */
async function systemCallsOf(groups: string[]): Promise<Set<string>> {
  const { stdout } = await run('systemd-analyze', ['syscall-filter', ...groups]);
  const names = stdout.split('\n').map((line) => line.trim());
  const inner = names.filter((name) => name.startsWith('@') && !groups.includes(name));
  return new Set([...names, ...(inner.length > 0 ? await systemCallsOf(inner) : [])]);
}

/** @returns the rest of the line that begins with a word. */
function settingOf(text: string, word: string): string {
  return new RegExp(`^${word}(.*)$`, 'm').exec(text)?.[1] ?? '';
}
