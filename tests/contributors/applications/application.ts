import { cp, mkdir, readdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import getPort from 'get-port';
import { expect, onTestFinished, vi } from 'vitest';
import { ada, Browser } from '#tools/browser.ts';
import { ChildProcess, run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { env } from '../project-copy.ts';

/** Packages that the tutorial does not have, or has in another version. */
const others = [
  'express@4',
  'passport@0.7',
  'passport-local@1',
  'connect-pg-simple@10',
  'connect-session-knex@4',
];

/** Installs packages that the tutorial does not have, from npm's cache if they are there. */
export async function install(folder: string): Promise<void> {
  const aliases = others.map((name) => `${aliasOf(name)}@npm:${name}`);
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { code, stderr } = await run('npm', ['install', '--prefix', folder, ...flags, ...aliases]);
  expect(code, stderr).toBe(0);
}

/** Puts packages into the node_modules of a folder, as links to what is installed already. */
export async function link(packages: string[], folder: string, installed = ''): Promise<void> {
  for (const wanted of packages.filter((word) => !word.startsWith('-'))) {
    const name = wanted.replace(/(?<=.)@.*/, '');
    const other = others.find((other) => other === wanted || other.startsWith(`${name}@1`));
    const from = other ? join(installed, 'node_modules', aliasOf(other)) : join(modules, name);
    await linkTo(from, join(folder, 'node_modules', name));
    for (const program of programs.get(name) ?? []) {
      await linkTo(join(modules, '.bin', program), join(folder, 'node_modules/.bin', program));
    }
  }
}

const modules = join(root, 'node_modules');
const programs = new Map([
  ['knex', ['knex']],
  ['typescript', ['tsc']],
]);

async function linkTo(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await symlink(from, to, 'junction');
}

/** An npm alias, so that two versions of a package can be side by side. */
function aliasOf(name: string): string {
  return name.replaceAll(/[@.]/g, '-');
}

/** One of the applications here in a folder of its own, with a browser. */
export class Application {
  readonly #folder: string;
  readonly #installed: string;
  #env: NodeJS.ProcessEnv = { ...env, SESSION_SECRET: 'a secret' };
  #server: ChildProcess | undefined;
  readonly #browser = new Browser('');

  /** @param installed where `install` has put packages. */
  constructor(folder: string, installed: string) {
    this.#folder = folder;
    this.#env.SQLITE_FILE = join(folder, 'shop.sqlite3');
    this.#installed = installed;
  }

  /** Copies the code of an application. */
  use(code: string): Promise<void> {
    return cp(join(import.meta.dirname, code), this.#folder, { recursive: true });
  }

  set databaseUrl(DATABASE_URL: string) {
    this.#env = { ...this.#env, DATABASE_URL };
  }

  /** Does what some lines of the page say. */
  async type(lines: string[]): Promise<void> {
    for (const line of lines) {
      const packages = /^npm install (.*)/.exec(line)?.[1]?.split(' ');
      if (packages) await link(packages, this.#folder, this.#installed);
      else await this.#run(line.replace('../shop', this.#folder), line.includes(' take '));
    }
  }

  async #run(line: string, isTake: boolean): Promise<void> {
    const options = { cwd: isTake ? root : this.#folder, env: this.#env };
    const { code, stdout, stderr } = await run('bash', ['-c', line], options);
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
  }

  /** Starts the server, and waits until it answers. */
  async start(): Promise<void> {
    const PORT = `${await getPort()}`;
    const isJavaScript = (await readdir(this.#folder)).includes('server.js');
    const args = isJavaScript ? ['server.js'] : ['--import', 'tsx', 'server.ts'];
    const options = { cwd: this.#folder, env: { ...this.#env, PORT } };
    const server = new ChildProcess(process.execPath, args, options);
    this.#server = server;
    onTestFinished(() => this.kill());
    this.#browser.moveTo(`http://127.0.0.1:${PORT}`);
    const answers = () => this.me().catch((error) => server.hasEnded || Promise.reject(error));
    await vi.waitFor(answers, { timeout: 60_000 });
    expect(server.stderr).toBe('');
  }

  /** @returns the status of a `POST`. */
  async post(path: string, body = {}): Promise<number> {
    return (await this.#browser.post(path, body)).status;
  }

  async logIn(): Promise<void> {
    expect(await this.post('/login', ada)).toBe(204);
  }

  /** @returns 200 if the browser is logged in, and 401 if it is not. */
  async me(): Promise<number> {
    return (await this.#browser.get('/me')).status;
  }

  /** @returns the exit code after SIGTERM. */
  async stop(): Promise<number | null | undefined> {
    return (await this.#server?.end('SIGTERM'))?.code;
  }

  async kill(): Promise<void> {
    await this.#server?.end('SIGKILL');
  }
}
