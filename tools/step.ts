import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { command, UsageError } from './command.ts';
import { runInTerminal } from './processes.ts';
import { findStep, root, stepFolder } from './steps.ts';

const usage = 'Give one step: npm run step 3, or npm run step 3 -- --watch.';

// Without a "--" before it, npm treats --watch as its own option, and only sets this variable.
const askedOfNpm = process.env.npm_config_watch === 'true';

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { watch: { type: 'boolean', default: askedOfNpm } },
  });
  if (positionals.length > 1) throw new UsageError(usage);
  const server = join(stepFolder(findStep(positionals[0])), 'server.ts');
  if (values.watch) await watch(server);
  else await import(pathToFileURL(server).href);
}, usage);

/** Restarts the server whenever one of its files is saved; tsx prints which one. */
async function watch(server: string): Promise<void> {
  console.log(
    `Watching ${relative(root, server)} and every file that it imports. Save one of them, and the server restarts.`,
  );
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
  process.exitCode = await runInTerminal([tsx, 'watch', '--clear-screen=false', server]);
}
