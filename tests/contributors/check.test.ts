import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '#tools/processes.ts';
import { root, stepFolder, stepNames } from '#tools/steps.ts';
import { temporaryFolder } from '../temporary.ts';

// npm run check compiles all steps together, and TypeScript merges what they add to express-session's SessionData.
test.each(stepNames)(
  '%s compiles alone, without what other steps keep in a session',
  async (step) => {
    const config = join(await temporaryFolder(), 'tsconfig.json');
    const options = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
      include: [join(stepFolder(step), '*.ts')],
      exclude: [join(stepFolder(step), '*.test.ts')],
    };
    await writeFile(config, JSON.stringify(options));
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, '--noEmit', '-p', config]);
    expect(stdout).toBe('');
  },
);
