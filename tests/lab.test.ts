import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive, makeDatabaseFolder } from '#lab/databases.ts';
import { areUp, LabProcess, send, stateOf } from './lab-process.ts';

describe('npm start', () => {
  let lab: LabProcess;
  let duration: number;

  beforeAll(async () => {
    const begin = Date.now();
    lab = await LabProcess.start();
    await send('GET', lab.url);
    duration = Date.now() - begin;
    await stateOf(lab.url, areUp);
  });

  afterAll(() => lab?.end('SIGKILL'));

  test('shows the first screen within 5 seconds', () => {
    expect(duration, 'milliseconds').toBeLessThan(5000);
  });

  test('says in one line that the port is in use', async () => {
    const { port } = new URL(lab.url);
    const { code, printed } = await LabProcess.fail({ PORT: port });
    expect(code).toBe(1);
    expect(printed).toMatch(/^Port \d+ is in use\. [^\n]*PORT=\d+\.\n$/);
  });

  test('refuses whoever does not come from its own page', async () => {
    const { url } = lab;
    const crash = `${url}/lab/steps/01-in-memory/crash`;
    const port = Number(new URL(url).port);
    const strangers: Record<string, string>[] = [
      { Host: 'evil.example' },
      { Host: `evil.example:${port}` }, // a name of the attacker's that points to this machine
      { Host: `127.0.0.1:${port + 1}` },
      { Origin: 'http://evil.example' },
      { Origin: `http://evil.example:${port}` },
      { Origin: `http://127.0.0.1:${port + 1}` },
      { Origin: `https://127.0.0.1:${port}` },
      { Origin: 'null' }, // a page in a sandboxed frame
    ];
    const before = await lab.processes();
    for (const headers of strangers) {
      for (const address of [url, `${url}/lab/events`, `${url}/01-in-memory/inspect`]) {
        expect([headers, await send('GET', address, headers)]).toEqual([headers, 403]);
      }
      expect([headers, await send('POST', crash, headers)]).toEqual([headers, 403]);
    }
    expect(await send('GET', crash), 'a link could crash it').toBe(404);
    expect(await lab.processes(), 'a process is another').toEqual(before);
    expect(await send('POST', crash, { Origin: url }), 'its own page').toBe(204);
    expect(await lab.processes()).toEqual(before.slice(1));
  });

  test('knows no other steps and no other actions', async () => {
    expect(await send('POST', `${lab.url}/lab/steps/09-nothing/start`)).toBe(404);
    expect(await send('POST', `${lab.url}/lab/steps/01-in-memory/constructor`)).toBe(404);
  });

  test('leaves no process behind when it is killed by SIGKILL', async () => {
    const processes = await lab.processes();
    expect(processes.length).toBeGreaterThanOrEqual(3);
    expect(await lab.end('SIGKILL')).toBe('SIGKILL');
    const deadline = Date.now() + 5000;
    while (processes.some(isAlive) && Date.now() < deadline) await pause(20);
    expect(processes.filter(isAlive), 'processes left after 5 seconds').toEqual([]);

    const [left = ''] = await lab.folders();
    await rm(await makeDatabaseFolder(), { recursive: true });
    expect(existsSync(left), 'the next lab deletes what this one could not').toBe(false);
  });
});
