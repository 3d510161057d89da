import { beforeAll } from 'vitest';
import { copyProject } from '#tools/copy.ts';
import { run, runScript } from '#tools/processes.ts';
import { makeTemporaryFolder } from '#tools/temporary.ts';

// Hides from a command that it runs under a test runner.
export const env = { VITEST: undefined, VITEST_WORKER_ID: undefined, NODE_ENV: undefined };

/** A copy of the project for the tests of one file, with what is not yet committed. */
export class ProjectCopy {
  folder = '';

  constructor() {
    beforeAll(async () => {
      const { path, remove } = await makeTemporaryFolder();
      this.folder = path;
      await copyProject(path);
      return remove;
    });
  }

  /** Runs what `npm run <command>` runs. */
  run(command: string, ...words: string[]) {
    return runScript(`tools/${command}.ts`, words, { cwd: this.folder, env });
  }

  /** Runs a line as a shell does. */
  shell(line: string) {
    return run('bash', ['-c', line], { cwd: this.folder, env });
  }
}
