import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './temporary.ts';
import { checkDiffs } from './tutorial/diffs.ts';
import { checkExcerpts } from './tutorial/excerpts.ts';
import { checkNames, findUnnamed } from './tutorial/names.ts';
import { list, readText } from './tutorial/text.ts';
import { checkTranscripts } from './tutorial/transcripts.ts';

const tutorial = await readText('TUTORIAL.md');
const readme = await readText('README.md');
const texts = [tutorial, readme];

describe('the tutorial', () => {
  test('shows code that is in the files', async () => {
    expect(list(await checkExcerpts(tutorial))).toBe('');
  });

  test('shows diffs that npm run diff prints', async () => {
    expect(list(await checkDiffs(tutorial))).toBe('');
  });

  test.for(texts.map((text) => [text.file, text] as const))(
    'names in %s what exists',
    async ([, text]) => {
      expect(list(await checkNames(text, texts))).toBe('');
    },
  );

  test('names every npm script, and every file of every step', async () => {
    expect(await findUnnamed(texts)).toEqual([]);
  });
});

const programs = ['bash', 'curl', 'git', 'sqlite3'];
const missing = programs.filter((program) => spawnSync(program, ['--version']).error);
/** On a reader's machine one of them may be missing; where every push is checked, all must be there. */
const isSkipped = missing.length > 0 && process.env.CI !== 'true';
if (isSkipped) {
  console.warn(
    `The commands of the chapters are not tried. Install ${missing.join(' and ')} for that.`,
  );
}

describe
  .skipIf(isSkipped)
  .concurrent('whoever types what stands in the chapter sees what it shows', () => {
    const chapters = tutorial.chapters.filter(({ blocks }) =>
      blocks.some(({ language }) => language === 'console'),
    );
    const titled = chapters.map(({ title, blocks }) => [title, blocks] as const);

    test.for(titled)('%s', { timeout: 120_000 }, async ([, blocks], { onTestFinished }) => {
      const folder = await temporaryFolder(onTestFinished);
      expect(list(await checkTranscripts(tutorial, blocks, folder))).toBe('');
    });
  });
