import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { command, UsageError } from './command.ts';
import { findStep, root, stepFolder } from './steps.ts';

// npm keeps a --watch that does not come after "--" for itself, and only tells of it in this variable.
const askedOfNpm = process.env.npm_config_watch === 'true';

await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { watch: { type: 'boolean', default: askedOfNpm } },
  });
  if (positionals.length > 1) throw new UsageError('Give one step: npm run step 3.');
  const server = join(stepFolder(findStep(positionals[0])), 'server.ts');
  if (values.watch) await watch(server);
  else await import(pathToFileURL(server).href);
});

/** Runs the server anew whenever one of the files that it is made of is saved; tsx says which it was. */
async function watch(server: string): Promise<void> {
  console.log(
    `Watching ${relative(root, server)} and all that it imports. Save one of these files, and the server restarts.`,
  );
  const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
  const child = spawn(process.execPath, [tsx, 'watch', '--clear-screen=false', server], {
    stdio: 'inherit',
  });
  // A Ctrl-C reaches both processes. This one waits for the other, which closes the server in order.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 0;
}
