import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '#tools/steps.ts';

const layers = ['database', 'steps/shared', 'steps', 'tools', 'lab', 'tests'];

/** Every import of the project's own code: the file, and the file that it imports. */
const imports = layers
  .filter((folder) => folder !== 'steps/shared') // it is in steps
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => `${folder}/${file}`),
  )
  .map((file) => file.replaceAll(sep, '/'))
  .filter((file) => /(?<!\.test)\.ts$/.test(file) && !file.startsWith('steps/practice'))
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
