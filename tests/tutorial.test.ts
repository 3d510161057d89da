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

  test.for(texts)('names in $file what exists', async (text) => {
    expect(list(await checkNames(text, texts))).toBe('');
  });

  test('names every npm script, and every file of every step', async () => {
    expect(await findUnnamed(texts)).toEqual([]);
  });
});

describe.concurrent('whoever types what stands in the chapter sees what it shows', () => {
  const chapters = tutorial.chapters.filter(({ title }) => /^\d/.test(title));

  test.for(chapters)('$title', { timeout: 120_000 }, async ({ blocks }, { onTestFinished }) => {
    const folder = await temporaryFolder(onTestFinished);
    expect(list(await checkTranscripts(tutorial, blocks, folder))).toBe('');
  });
});
