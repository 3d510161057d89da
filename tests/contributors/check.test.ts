import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { ProjectCopy } from './project-copy.ts';

const project = new ProjectCopy();

test('a step does not see what another step keeps in a session', {
  timeout: 60_000,
}, async () => {
  const app = join(project.folder, 'steps/04-minimal-payload/app.ts');
  const code = await readFile(app, 'utf8');
  await writeFile(app, code.replace('req.session.userId = user.id', 'req.session.user = user'));
  const { code: exitCode, stdout } = await project.run('types');
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /^steps\/04-minimal-payload\/app\.ts.*Property 'user' does not exist on type 'Session/m,
  );
});

test('a Node that is too old is told which one is needed, in one line', async () => {
  const { engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(engines.node).toBe('>=20.19');
  const on = (version: string) =>
    run(process.execPath, [
      '-e',
      `Object.defineProperty(process, "versions", { value: { node: "${version}" } });
       require("./tools/check-node.cjs")`,
    ]);
  const old = await on('18.20.8');
  expect(old).toMatchObject({ code: 1, stdout: '' });
  expect(old.stderr).toMatch(/^This tutorial needs Node 20\.19 or newer, .* 18\.20\.8\. [^\n]+\n$/);
  expect(await on('20.18.3')).toMatchObject({ code: 1 });
  for (const version of ['20.19.0', '22.0.0', '26.1.0']) {
    expect(await on(version)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  }
});
