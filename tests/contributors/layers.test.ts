import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { projectFiles } from '#tools/copy.ts';
import { root } from '#tools/steps.ts';

const layers = ['database', 'steps/shared', 'steps', 'tools', 'lab', 'tests'];

const isCode = /^(database|steps|tools|lab|tests)\/.*(?<!\.test)\.ts$/;

/** Every import of the project's own code: the file, and the file that it imports. */
const imports = (await projectFiles())
  .filter((file) => isCode.test(file))
  .flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)[ (]'([#.].*?)'/g)].map(
      ([, path = '']) => ({
        file,
        path: path.startsWith('#') ? path.slice(1) : posix.join(posix.dirname(file), path),
      }),
    ),
  );

test('imports go one way: lab → tools → steps → steps/shared → database; only tests import tests', () => {
  expect(imports.length).toBeGreaterThan(50);
  expect(imports.filter(({ file, path }) => layerOf(path) > layerOf(file))).toEqual([]);
});

test('no step imports a later one', () => {
  const stepOf = (path: string) => /^steps\/(\d\d)-/.exec(path)?.[1] ?? '';
  expect(imports.filter(({ file, path }) => stepOf(file) && stepOf(path) > stepOf(file))).toEqual(
    [],
  );
});

function layerOf(path: string): number {
  return path.startsWith('steps/shared/') ? 1 : layers.indexOf(path.split('/')[0] ?? '');
}
