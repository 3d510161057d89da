import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ChildProcess } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { env, ProjectCopy } from './project-copy.ts';

const project = new ProjectCopy();
const text = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8');
const recipe = /^## Add a step$(.*?)^## /ms.exec(text)?.[1] ?? '';
const [copy = '', ...commands] = [...recipe.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(
  ([, lines = '']) => lines.trim().split('\n'),
);

/** What each command must print. Servers are stopped once they have printed it. */
const prints: Record<string, string | RegExp> = {
  'npm run step 10': /^10-copy · A copy · http:/m,
  'npm run compare 10': /^\| 10-copy +\|.* kept .*\|$/m,
  'npm run diff 4 10': /diff\.ts 4 10\n\n$/, // after npm's own line, nothing: there is no difference yet
  'npm run practice 10': 'and the tests of 10-copy.',
  'npm test 10': / steps\/10-copy\/app\.test\.ts/,
  'npm start': /^The lab · (http:\S+) · /m,
};

describe('a new step by the recipe in CONTRIBUTING.md', { timeout: 120_000 }, () => {
  test('is a folder that is copied, with another title', async () => {
    expect(await project.shell(copy)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const file = join(project.folder, 'steps/10-copy/step.json');
    const step = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...step, title: 'A copy' }));
  });

  test('names the commands that are tried here', () => {
    expect(commands.sort()).toEqual(Object.keys(prints).sort());
  });

  test.each(commands)('%s knows it', async (command) => {
    const child = new ChildProcess('bash', ['-c', `exec ${command}`], {
      cwd: project.folder,
      env: { ...env, PORT: '0', npm_config_loglevel: 'notice' }, // npm repeats the command
      detached: true, // so npm and what it starts can be stopped together
    });
    const isServer = /step|start/.test(command);
    const expected = prints[command] ?? '';
    if (isServer) await child.printed(({ stdout }) => stdout.search(expected) >= 0, 60_000);
    else await child.ended;
    expect(`${child.stdout}${child.stderr}`).toMatch(expected);
    if (command === 'npm test 10') expect(await child.ended).toMatchObject({ code: 0 });
    if (command === 'npm start') {
      const [, url = ''] = /(http:\S+)/.exec(child.stdout) ?? [];
      const events = await fetch(`${url}/lab/events`);
      const { value } = (await events.body?.getReader().read()) ?? {};
      expect(new TextDecoder().decode(value)).toContain('"step":"10-copy"');
    }
    if (isServer) process.kill(-(child.processId ?? 0), 'SIGTERM');
    await child.ended;
  });
});
