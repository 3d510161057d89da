import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import getPort from 'get-port';
import { startPostgres } from '#steps/10-many-servers/postgres.ts';
import { ChildProcess } from '../processes.ts';

const servers = {
  redis: { program: 'redis-server', args: ['--save', ''], ready: /Ready to accept connections/ },
  mongodb: { program: 'mongod', args: ['--dbpath', '.'], ready: /Waiting for connections/ },
};

/**
 * Starts the server that a store needs, if it needs one.
 *
 * @param needs packages from npm.
 * @param folder where to make the folder `data`, in which the server keeps its files.
 * @param options for PostgreSQL.
 */
export async function startNeeded(needs: string[], folder: string, options?: string[]) {
  const cwd = join(folder, 'data');
  await mkdir(cwd);
  if (needs.includes('pg')) return startPostgres(cwd, options);
  if (needs.includes('redis')) return startServer('redis', cwd);
  if (needs.includes('mongodb')) return startServer('mongodb', cwd);
  return { url: '', stop: async () => {} };
}

/** Uses the server at REDIS_URL or MONGODB_URL. Without it, starts one. */
async function startServer(kind: keyof typeof servers, cwd: string) {
  const variable = `${kind.toUpperCase()}_URL`;
  const url = process.env[variable];
  if (url) return { url, stop: async () => {} };
  const { program, args, ready } = servers[kind];
  const port = `${await getPort()}`;
  const server = new ChildProcess(program, [...args, '--port', port], { cwd });
  if (await server.printed(({ stdout }) => ready.test(stdout))) {
    return { url: `${kind}://127.0.0.1:${port}`, stop: () => server.end('SIGTERM') };
  }
  throw new Error(`this machine has no ${program}. Install one, or set ${variable}.`);
}
