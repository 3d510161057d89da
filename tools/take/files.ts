import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { root } from '../steps.ts';
import type { Code } from './manifest.ts';

const IMPORT = /((?:from|import)[ (]')([^']+)(?=')/g;
const inOpenStore = ['tools/take/expect-table.ts', 'steps/05-failing-database/in-time.ts'];

/** @returns the content of each file, by its path in the other project. The one named `name` exports what it uses. */
export async function filesOf(
  { step, code, name }: { step: string; code: Code; name: string },
  columns: string[] | undefined,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const add = async (file: string): Promise<void> => {
    if (files.has(homeOf(file))) return;
    const source = await readFile(join(root, file), 'utf8');
    files.set(homeOf(file), withRelativeImports(source, file));
    for (const [, , path = ''] of source.matchAll(IMPORT)) {
      if (/^[#.]/.test(path)) await add(imported(path, file));
    }
  };
  const pathOf = (file: string) => posix.join('steps', step, file);
  const listed = [...Object.keys(code.exports), ...code.files].map(pathOf);
  for (const file of [...listed, ...(columns ? inOpenStore : [])]) await add(file);

  const exports = Object.entries(code.exports).map(
    ([file, names]) =>
      `export ${names.startsWith('*') ? names : `{ ${names} }`} from './${homeOf(pathOf(file))}';\n`,
  );
  const store = listed.find((file) => file.endsWith('/store.ts')) ?? '';
  return files.set(
    `${name}.ts`,
    exports.join('') + (columns ? opening(homeOf(store), columns) : ''),
  );
}

function opening(store: string, columns: string[]): string {
  return `
import { skipAbandoned } from './05-failing-database/in-time.ts';
import { expectTable } from './expect-table.ts';
import { SessionStore } from './${store}';

/**
 * Makes the store, after your migrations.
 *
 * @throws {Error} that says what is missing in the database.
 */
export async function openStore(
  options: ConstructorParameters<typeof SessionStore>[0],
): Promise<SessionStore> {
  await expectTable(options.knex, ['${columns.join("', '")}']);
  skipAbandoned(options.knex);
  return new SessionStore(options);
}
`;
}

/** The commands that install what some files import, in the versions that the tutorial is tested with. */
export async function packagesOf(files: Map<string, string>, driver: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const imports = [...files.values()].flatMap((code) =>
    [...code.matchAll(IMPORT)].map(([, , path = '']) => path),
  );
  if (imports.includes('knex')) imports.push(driver);
  const install = (command: string, group: Record<string, string>, names: string[]) => {
    const known = [...new Set(names)].filter((name) => group[name]).sort();
    return known.length > 0
      ? `${command} ${known.map((name) => `${name}@${group[name]}`).join(' ')}\n`
      : '';
  };
  const others = imports.filter((name) => !/^express(-session)?$/.test(name)); // these are yours, in any version
  const forDevelopment = imports.flatMap((name) => [name, `@types/${name}`]);
  return (
    install('npm install', manifest.dependencies, others) +
    install('npm install --save-dev', manifest.devDependencies, forDevelopment)
  );
}

function withRelativeImports(source: string, file: string): string {
  return source.replace(IMPORT, (whole, before: string, path: string) => {
    if (!/^[#.]/.test(path)) return whole;
    const target = posix.relative(posix.dirname(homeOf(file)), homeOf(imported(path, file)));
    return before + (target.startsWith('.') ? target : `./${target}`);
  });
}

function imported(path: string, from: string): string {
  return path.startsWith('#') ? path.slice(1) : posix.join(posix.dirname(from), path);
}

/** Where a file goes: everything keeps its place, but without the folder `steps`. */
function homeOf(file: string): string {
  return file.replace(/^(steps|tools\/take)\//, '');
}
