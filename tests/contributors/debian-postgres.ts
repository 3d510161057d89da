import { existsSync } from 'node:fs';
import { chown, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import getPort from 'get-port';
import { Client } from 'pg';
import { expect, onTestFinished } from 'vitest';
import { ChildProcess, run } from '#tools/processes.ts';
import { temporaryFolder } from '../temporary.ts';

// The embedded PostgreSQL has only the server. Debian's has all programs, in one version.

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
/** The options of a process that does not run as root, such as PostgreSQL. */
export const notAsRoot = isRoot ? { uid: NOBODY, gid: NOBODY, cwd: '/' } : {};
const programs = await findPrograms();

/** Why Debian's PostgreSQL cannot run here, or an empty string. */
export const withoutDebianPostgres = programs
  ? ''
  : 'needs the programs of PostgreSQL: apt-get install postgresql';

/** A PostgreSQL of Debian, which runs until the test has finished. */
export class DebianPostgres {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(data: string, port: number) {
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    const options = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', '', '-F'];
    this.#process = new ChildProcess(join(programs, 'postgres'), options, notAsRoot);
  }

  static start(): Promise<DebianPostgres> {
    const settings = ['--username=postgres', '--auth=trust', '--no-sync', '--encoding=UTF8'];
    return DebianPostgres.#startFrom('initdb', settings);
  }

  /** Starts a standby: a copy that follows this one, and can only be read. */
  startStandby(): Promise<DebianPostgres> {
    return DebianPostgres.#startFrom('pg_basebackup', ['--write-recovery-conf', '-d', this.url]);
  }

  static async #startFrom(program: string, options: string[]): Promise<DebianPostgres> {
    const folder = await temporaryFolder();
    if (isRoot) await chown(folder, NOBODY, NOBODY);
    const data = join(folder, 'data');
    const made = await run(join(programs, program), ['-D', data, ...options], notAsRoot);
    expect(made).toMatchObject({ code: 0 });
    const postgres = new DebianPostgres(data, await getPort());
    onTestFinished(() => postgres.end());
    const answer = () => postgres.ask('select 1').then(() => 'ready', String);
    await expect.poll(answer, { interval: 50 }).toBe('ready');
    return postgres;
  }

  async ask(sql: string): Promise<unknown[]> {
    const client = new Client(this.url);
    await client.connect();
    const { rows } = await client.query(sql);
    await client.end();
    return rows;
  }

  /** Ends it at once, as when its machine stops. */
  async end(): Promise<void> {
    await this.#process.end('SIGQUIT');
  }
}

/** @returns the folder of the newest version, which is also that of pg_dump; otherwise an empty string. */
async function findPrograms(): Promise<string> {
  const folder = '/usr/lib/postgresql';
  const versions = await readdir(folder).catch(() => []);
  const newest = versions.toSorted((one, other) => Number(other) - Number(one))[0] ?? '';
  const found = join(folder, newest, 'bin');
  return existsSync(join(found, 'postgres')) ? found : '';
}
