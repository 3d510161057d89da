// Chapter 3 prints this for readers to copy, so it imports nothing from this project.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import getPort from 'get-port';
import request from 'supertest';
import { onTestFinished, test, vi } from 'vitest';

const command = ['--import', 'tsx', 'steps/03-knex-sqlite/server.ts']; // what node runs
const url = `http://127.0.0.1:${await getPort()}`;

async function start(settings: NodeJS.ProcessEnv) {
  const env = { ...process.env, PORT: new URL(url).port, ...settings };
  const server = spawn('node', command, { env, stdio: 'inherit' });
  const exited = once(server, 'exit');
  const kill = async () => {
    server.kill('SIGKILL'); // it has no chance to save anything
    await exited;
  };
  onTestFinished(kill);
  await vi.waitFor(() => fetch(url), { timeout: 60_000 }); // until it listens
  return kill;
}

test.each([
  ['survives a crash', 'one', 200],
  ['is lost with another secret, so this test can fail', 'two', 401],
])('a login %s', { timeout: 180_000 }, async (_name, secret, status) => {
  const folder = await mkdtemp(`${tmpdir()}/restart-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  const DATABASE_URL = `file:${folder}/test.sqlite3`;
  const kill = await start({ DATABASE_URL, SESSION_SECRET: 'one' });
  const agent = request.agent(url); // keeps its cookies, as a browser does
  await agent.post('/api/login').send({ username: 'demo', password: 'demo-password' }).expect(200);
  await kill();
  await start({ DATABASE_URL, SESSION_SECRET: secret });
  await agent.get('/api/me').expect(status);
});
