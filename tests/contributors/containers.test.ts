import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = join(root, 'docs/operating');
const modules = join(root, 'node_modules');

// No reader needs these packages, so .ci/run installs them.
const yaml = 'yaml';
const isInstalled = await Promise.all(
  [yaml, 'dockerfile-utils', 'kubernetes-models'].map((name) => import(name)),
).then(
  () => true,
  () => false,
);
const missing = 'needs npm install --no-save yaml dockerfile-utils kubernetes-models';

test('the linter finds nothing wrong with the Dockerfile', async ({ skip }) => {
  skip(!isInstalled, missing);
  const linter = join(modules, 'dockerfile-utils/bin/dockerfile-utils');
  const result = await run(process.execPath, [linter, 'lint', join(folder, 'Dockerfile')]);
  expect(result).toMatchObject({ code: 0, stdout: '' });
});

// A schema of Kubernetes allows fields that it does not know, so a misspelled probe would be valid. These types do not.
test('the objects for Kubernetes have no field that Kubernetes does not know', async ({ skip }) => {
  skip(!isInstalled, missing);
  const { parseAllDocuments } = await import(yaml);
  const text = await readFile(join(folder, 'kubernetes.yaml'), 'utf8');
  const documents: { toJS(): { apiVersion: string; kind: string } }[] = parseAllDocuments(text);
  const checks = documents.map((document) => {
    const object = document.toJS();
    const type = `import('kubernetes-models/${object.apiVersion}').I${object.kind}`;
    return `export const ${object.kind}: ${type} = ${JSON.stringify(object, null, 1)};`;
  });
  expect(checks).toHaveLength(3);
  const project = await temporaryFolder();
  await symlink(modules, join(project, 'node_modules'), 'junction');
  const file = join(project, 'objects.ts');
  await writeFile(file, checks.join('\n'));
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'preserve', '--types', ''];
  const compiler = join(modules, 'typescript/bin/tsc');
  const result = await run(process.execPath, [compiler, ...options, file], { cwd: project });
  expect(result).toMatchObject({ code: 0, stdout: '' });
});
