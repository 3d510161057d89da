import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { readStep } from '#steps/shared/step.ts';
import { command, UsageError } from './command.ts';
import { run } from './processes.ts';
import { findStep, numberOf, root, stepFolder, stepNames } from './steps.ts';
import { filesOf, packagesOf } from './take/files.ts';
import { type Code, readTake } from './take/manifest.ts';
import { makeTemporaryFolder } from './temporary.ts';

const usage =
  'Give a step and a folder: npm run take 7 ../shop/sessions, or npm run take 9 csrf ../shop/sessions.';

// npm run take 7 ../shop/sessions: copies the store of step 7, and what it imports, into another project. With a word such
// as csrf, only that part of the step. -- --js makes JavaScript of it, and -- --force overwrites files that differ.
await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      js: { type: 'boolean', default: isSetForNpm('json') || isSetForNpm('js') },
      force: { type: 'boolean', default: isSetForNpm('force') },
    },
  });
  const [number, ...words] = positionals;
  const target = words.pop() ?? '';
  const step = findStep(number);
  const { code, columns, name } = whatToTake(step, words, target);
  const folder = targetFolder(target);

  const isJavaScript = values.js || existsSync(join(folder, 'package.json')); // made by an earlier take

  const sources = await filesOf({ step, code, name }, columns);
  const files = isJavaScript ? await compile(sources) : new Map(sources);
  const options = isJavaScript ? ['-- --js'] : [];
  const typed = ['npm run take', numberOf(step), ...words, ...options].join(' ');
  const note = columns ? 'README.md' : `${name}.md`;
  const from = `./${basename(folder)}/${name}.${isJavaScript ? 'js' : 'ts'}`;
  files.set(note, await describe({ step, code, sources, typed, from, isStore: Boolean(columns) }));
  const overwritten = await write(folder, files, values.force);
  if (overwritten.length > 0) console.log(`Overwrote ${overwritten.join(', ')}.`);
  console.log(`Copied ${files.size} files. ${join(folder, note)} says how to use them.`);
}, usage);

/** Without the --, npm takes these options for its own, and --js for --json. */
function isSetForNpm(option: string): boolean {
  return process.env[`npm_config_${option}`] === 'true';
}

/** @returns what to copy. If there is a store, also the columns that it needs. */
function whatToTake(step: string, [part, ...more]: string[], target: string) {
  const take = readTake(step);
  if (!take || !stepNames.includes(step)) {
    const numbers = stepNames.filter(readTake).map(numberOf);
    throw new UsageError(
      `${step} has no store to take. These steps have one: ${numbers.join(', ')}.`,
    );
  }
  if (more.length > 0 || !target || target in take.parts) throw new UsageError(usage);
  if (part === undefined) return { code: take, columns: take.columns, name: 'index' };
  const code = take.parts[part];
  if (code) return { code, name: part };
  const names = Object.keys(take.parts).join(', ');
  throw new UsageError(`${step} has no part "${part}". It has ${names || 'none'}.`);
}

function targetFolder(target: string): string {
  const folder = resolve(target);
  if (relative(root, folder).split(sep)[0] !== '..') {
    throw new UsageError(`${target} is in this tutorial. Give a folder of your own project.`);
  }
  if (statSync(folder, { throwIfNoEntry: false })?.isFile()) {
    throw new UsageError(`${folder} is a file. Give a folder.`);
  }
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest) && /"(name|dependencies)"/.test(readFileSync(manifest, 'utf8'))) {
    throw new UsageError(
      `${folder} is a project. Give a folder in it: ${join(target, 'sessions')}.`,
    );
  }
  if (existsSync(dirname(folder))) return folder;
  throw new UsageError(`There is no folder ${dirname(folder)} to put ${basename(folder)} into.`);
}

/** Makes JavaScript, with types in `.d.ts` files. It is ES modules, which `require` can load. */
async function compile(sources: Map<string, string>): Promise<Map<string, string>> {
  const { path, remove } = await makeTemporaryFolder();
  const files = new Map([['package.json', '{ "type": "module" }\n']]);
  await write(path, new Map([...files, ...sources]));
  await symlink(join(root, 'node_modules'), join(path, 'node_modules'), 'junction');
  const format = ['--module', 'nodenext', '--target', 'es2022', '--declaration', '--allowJs'];
  const paths = ['--rootDir', '.', '--outDir', 'out', '--rewriteRelativeImportExtensions'];
  const tsc = [join(root, 'node_modules/typescript/bin/tsc'), ...format, ...paths];
  const args = [...tsc, '--noCheck', '--preserveSymlinks', '--types', 'node', ...sources.keys()];
  const { code, stdout } = await run(process.execPath, args, { cwd: path });
  if (code !== 0) throw new Error(stdout);
  for (const file of await readdir(join(path, 'out'), { recursive: true })) {
    if (!/\.[jt]s$/.test(file)) continue;
    const text = await readFile(join(path, 'out', file), 'utf8');
    files.set(file.replaceAll(sep, '/'), text.replace(/(?<=['"]\..*\.)ts(?=['"])/g, 'js'));
  }
  await remove();
  return files;
}

/**
 * @returns the files that had another content.
 * @throws {UsageError} if there are any, before anything is written, unless this is forced.
 */
async function write(folder: string, files: Map<string, string>, isForced = false) {
  const differs = async (file: string, content: string) =>
    existsSync(join(folder, file)) && (await readFile(join(folder, file), 'utf8')) !== content;
  const differing: string[] = [];
  for (const [file, content] of files) if (await differs(file, content)) differing.push(file);
  if (differing.length > 0 && !isForced) {
    throw new UsageError(
      `Nothing was copied, because these files in ${folder} differ: ${differing.join(', ')}. ` +
        'To overwrite them, add -- --force.',
    );
  }
  for (const [file, content] of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
  }
  return differing;
}

/** What a person needs to know who finds these files in a project. */
async function describe(taken: {
  step: string;
  code: Code;
  sources: Map<string, string>;
  typed: string;
  from: string;
  isStore: boolean;
}): Promise<string> {
  const { step, code, sources, typed, from, isStore } = taken;
  const { title, store } = readStep(stepFolder(step));
  const { stdout: commit } = await run('git', ['describe', '--always', '--dirty']);
  const packages = await packagesOf(sources, store === 'postgresql' ? 'pg' : 'sqlite3');
  const exported = Object.values(code.exports).map((names) => names.replace('* as ', ''));
  const names = [...exported, ...(isStore ? ['openStore'] : [])].join(', ');
  const language = from.endsWith('.js')
    ? `These are ES modules. From Node 20.19 on, CommonJS can also load them: \`const { … } = require('${from}')\`.`
    : 'In `tsconfig.json`, set `rewriteRelativeImportExtensions`, or `allowImportingTsExtensions` if it emits nothing.';
  return `# ${title}

- Copied with \`${typed}\` from the tutorial keep-users-logged-in: step ${step}, commit ${commit.trim()}.
- The files are yours now. In the tutorial, \`docs/your-application.md\` says more.
- ${language}

Besides \`express\` and \`express-session\`, they need these packages:

\`\`\`sh
${packages}\`\`\`

Your application needs these lines:

\`\`\`js
import { ${names} } from '${from}';

${code.lines.join('\n')}
\`\`\`
`;
}
