import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { command, UsageError } from './command.ts';
import { copyProject } from './copy.ts';
import { breakCode, MisfitError, type Mutation, mutations } from './mutate/mutation.ts';
import { Shell } from './processes.ts';
import { table } from './table.ts';
import { makeTemporaryFolder } from './temporary.ts';

/** The parts of Vitest's JSON report that are used here. */
interface Report {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { status: string; failureMessages?: string[] }[];
  }[];
}

type Outcome = [verdict: 'caught' | 'NOT NOTICED' | 'CANNOT TRY', message: string];

const TIMEOUT = 120_000; // in milliseconds, for the tests of one break

const running = new Set<Shell>();
let isStopping = false;

// npm run mutate: breaks one line at a time, in a copy, and reports which tests notice. npm run mutate 03 users:
// only breaks that have these words in their file or their description.
await command(async () => {
  const words = process.argv.slice(2);
  const chosen = mutations.filter(({ file, what }) =>
    words.every((word) => `${file} ${what}`.toLowerCase().includes(word.toLowerCase())),
  );
  if (chosen.length === 0) {
    throw new UsageError(`No break has "${words.join(' ')}" in its file or its description.`);
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  // Each holds a copy of the project, and the temporary files of its tests. Two, for two cores.
  const folders = await Promise.all(
    ['mutate-1-', 'mutate-2-'].map((name) => makeTemporaryFolder(name)),
  );
  try {
    await Promise.all(folders.map(({ path }) => copyProject(join(path, 'project'))));
    const paths = folders.map(({ path }) => path);
    const rows = await tryAll(chosen, paths);
    if (isStopping) return;
    console.log(table([['file', 'break', '', 'first failure'], ...rows]));
    const caught = rows.filter(([, , verdict]) => verdict === 'caught').length;
    console.log(`\n${caught} of ${chosen.length} breaks caught.`);
    if (caught < chosen.length) process.exitCode = 1;
  } finally {
    await Promise.all(folders.map(({ remove }) => remove()));
  }
});

/** Ctrl-C: ends the tests. When the process exits, its temporary folders are removed. */
async function stop(): Promise<void> {
  isStopping = true;
  await Promise.all([...running].map((tests) => tests.endAll('SIGKILL')));
  process.exit(130);
}

/** @returns a row of the report for each break. */
async function tryAll(chosen: Mutation[], folders: string[]): Promise<string[][]> {
  const failing = await findFailing([...new Set(chosen.flatMap(filesIn))], folders[0] ?? '');
  const rows: string[][] = [];
  const waiting = chosen.entries(); // each worker takes the next one
  const work = async (folder: string) => {
    for (const [index, mutation] of waiting) {
      if (isStopping) return;
      const { file, what } = mutation;
      const unreliable = filesIn(mutation).find((test) => failing.has(test));
      const [verdict, message] = unreliable
        ? ['CANNOT TRY', `${unreliable} fails without the break, too.`]
        : await tryOne(mutation, folder);
      rows[index] = [file, what, verdict, message.replaceAll('|', '\\|')];
      console.error(`${Object.keys(rows).length}/${chosen.length} ${file}: ${what}: ${verdict}`);
    }
  };
  await Promise.all(folders.map(work));
  return rows;
}

function filesIn({ tests }: Mutation): string[] {
  return tests.match(/\S+\.test\.ts/g) ?? [];
}

/** A test that fails anyway would seem to notice every break. */
async function findFailing(files: string[], folder: string): Promise<Set<string>> {
  console.error(`First, ${files.length} test files without a break …`);
  const { testResults } = await runTests(files.join(' '), folder);
  const passed = testResults.filter(({ status }) => status === 'passed').map(({ name }) => name);
  return new Set(files.filter((file) => !passed.some((name) => name.endsWith(file))));
}

async function tryOne(mutation: Mutation, folder: string): Promise<Outcome> {
  const path = join(folder, 'project', mutation.file);
  const code = await readFile(path, 'utf8');
  try {
    await writeFile(path, breakCode(code, mutation));
    return judge(await runTests(`${mutation.tests} --bail=1 --maxWorkers=1`, folder));
  } catch (error) {
    if (!(error instanceof MisfitError)) throw error;
    return ['CANNOT TRY', error.message];
  } finally {
    await writeFile(path, code);
  }
}

/**
 * Runs tests in a copy, whose code may be broken in any way. Their processes end with them, because they share a process
 * group, and their temporary files are in a folder of their own.
 *
 * @param args for vitest, as typed in a shell.
 */
async function runTests(args: string, folder: string): Promise<Report> {
  const temporary = join(folder, 'tmp');
  await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
  await mkdir(temporary);
  const report = join(folder, 'report.json');
  await writeFile(report, '{"testResults":[]}');
  const project = join(folder, 'project');
  const options = `--reporter=json --outputFile="${report}"`;
  const tests = new Shell(`"${project}/node_modules/.bin/vitest" run ${options} ${args}`, {
    cwd: project,
    env: { TMPDIR: temporary },
    timeout: TIMEOUT,
    killSignal: 'SIGKILL',
  });
  running.add(tests);
  await tests.ended;
  running.delete(tests);
  return JSON.parse(await readFile(report, 'utf8'));
}

function judge({ testResults }: Report): Outcome {
  const tests = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'passed' || status === 'failed');
  const failed = tests.find(({ status }) => status === 'failed');
  if (failed) return ['caught', firstLine(failed.failureMessages?.[0])];
  const file = testResults.find(({ status }) => status === 'failed');
  if (file) return ['CANNOT TRY', `No test ran: ${firstLine(file.message)}`];
  if (tests.length > 0) return ['NOT NOTICED', ''];
  return ['CANNOT TRY', `No test ran, or they took over ${TIMEOUT / 1000} s.`];
}

function firstLine(message = ''): string {
  const [line = ''] = stripVTControlCharacters(message).split('\n', 1);
  return line.replace(/^AssertionError: | \/\/ Object\.is equality$/g, '').slice(0, 160);
}
