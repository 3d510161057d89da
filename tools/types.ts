import { join } from 'node:path';
import { command } from './command.ts';
import { run } from './processes.ts';
import { root, stepFolder, stepNames } from './steps.ts';

// Part of npm run check: the types of the project, then of each step alone. Each step adds to
// express-session's SessionData, and TypeScript merges the additions of everything that it compiles together:
// alone, a step does not see what another step keeps in its sessions. So each has a tsconfig.json of its own.
await command(async () => {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  for (const folder of [root, ...stepNames.map(stepFolder)]) {
    const { code, stdout } = await run(process.execPath, [tsc, '--noEmit', '-p', folder]);
    process.stdout.write(stdout);
    if (code !== 0) process.exitCode = 1;
  }
});
