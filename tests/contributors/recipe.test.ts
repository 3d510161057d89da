import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ChildProcess } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { env, ProjectCopy } from './project-copy.ts';

const project = new ProjectCopy();
const text = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8');
const [, recipe = ''] = /^## Add a step$(.*?)^## /ms.exec(text) ?? [];
const [copy = '', ...commands] = [...recipe.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(
  ([, lines = '']) => lines.trim().split('\n'),
);

/** What each command must print. Servers are stopped once they have printed it. */
const prints: Record<string, string | RegExp> = {
  'npm run step 11': /^11-copy · A copy · http:/m,
  'npm run compare 11': /^\| 11-copy +\|.* kept .*\|$/m,
  'npm run diff 8 11': 'The code of these steps is the same.',
  'npm run practice 11': 'and the tests of 11-copy.',
  'npm test 11': / steps\/11-copy\/app\.test\.ts/,
  'npm start': /^The lab · http:\S+ · /m,
};

test('the recipe in CONTRIBUTING.md copies a step, and names the commands that are tried here', async () => {
  expect(await project.shell(copy)).toMatchObject({ code: 0, stdout: '', stderr: '' });
  const file = join(project.folder, 'steps/11-copy/step.json');
  const step = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...step, title: 'A copy' }));
  expect(commands.sort()).toEqual(Object.keys(prints).sort());
});

test.each(commands)('%s knows the new step', async (command) => {
  const child = new ChildProcess('bash', ['-c', `exec ${command}`], {
    cwd: project.folder,
    env: { ...env, PORT: '0', npm_config_loglevel: 'notice' }, // npm repeats the command
    detached: true, // so npm and what it starts can be stopped together
  });
  const expected = prints[command] ?? '';
  if (/step|start/.test(command)) {
    await child.printed(({ stdout }) => stdout.search(expected) >= 0);
    process.kill(-(child.processId ?? 0), 'SIGTERM');
  }
  const { code, stdout, stderr } = await child.ended;
  expect(`${stdout}${stderr}`).toMatch(expected);
  if (command === 'npm test 11') expect(code).toBe(0);
});
