import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { breakCode, MisfitError, mutations } from '#tools/mutate/mutation.ts';
import { ChildProcess, run, runScript } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { temporaryFolder } from '../temporary.ts';

describe('npm run mutate', () => {
  test('has only breaks that fit the code as it is, and change it', async () => {
    for (const mutation of mutations) {
      const code = await readFile(join(root, mutation.file), 'utf8');
      const where = `${mutation.file}: ${mutation.what}`;
      const tryIt = () => breakCode(code, mutation);
      expect(tryIt, where).not.toThrow();
      expect(tryIt(), `${where} changes nothing`).not.toBe(code);
      const tests = mutation.tests.match(/\S+\.test\.ts/g) ?? [];
      const missing = tests.filter((test) => !existsSync(join(root, test)));
      expect(missing, `${where}: test files that do not exist`).toEqual([]);
    }
  });

  test('treats a space as any white space, and "…" as code that stays', () => {
    expect(breakCode('a\n  cat.', { from: 'a cat.', to: '$&' })).toBe('$&');
    expect(breakCode('a, b, c', { from: 'a … c', to: 'c … a' })).toBe('c, b, a');
  });

  test('refuses to break code that does not occur exactly once', () => {
    expect(() => breakCode('a banana', { from: 'a', to: 'b' })).toThrow(MisfitError);
    expect(() => breakCode('', { from: 'a', to: 'b' })).toThrow('"a" occurs 0 times');
  });

  test('reports a break and the failure that noticed it', { timeout: 120_000 }, async () => {
    const { code, stdout } = await runScript('tools/mutate.ts', ['user-data', 'names not found']);
    expect(stdout).toMatch(/user-data\.ts \| names not found \| caught \| data of the user was/);
    expect(stdout).toContain('1 of 1 breaks caught.');
    expect(code).toBe(0);
  });

  test('leaves no process and no folder behind after Ctrl-C', { timeout: 60_000 }, async () => {
    const TMPDIR = await temporaryFolder();
    const script = ['--import', 'tsx/esm', 'tools/mutate.ts', '06-logout-wins/queue.ts'];
    const mutate = new ChildProcess(process.execPath, script, { env: { TMPDIR } });
    await mutate.printed(({ stderr }) => stderr.startsWith('First, 1 test files'));
    const processes = async () => (await run('ps', ['-eo', 'args'])).stdout;
    await vi.waitFor(
      async () => expect(await processes()).toContain(`${TMPDIR}/mutate-1-`),
      10_000,
    );
    expect(await mutate.end('SIGINT')).toMatchObject({ code: 130, stdout: '' });
    const left = (await readdir(TMPDIR)).filter((name) => name.startsWith('mutate-'));
    expect(left, 'folders left behind').toEqual([]);
    expect(await processes(), 'tests still run').not.toContain(TMPDIR);
  });

  test('says so when no break has the given words', async () => {
    const { code, stderr } = await runScript('tools/mutate.ts', ['no such break']);
    expect(code).toBe(1);
    expect(stderr).toBe('No break has "no such break" in its file or its description.\n');
  });
});
