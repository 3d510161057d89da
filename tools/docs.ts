import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { command, UsageError } from './command.ts';
import { parseText, type Text } from './docs/markdown.ts';
import { checkNames } from './docs/names.ts';
import { list, renew, showChanges } from './docs/renew.ts';
import { root } from './steps.ts';

// npm run docs: updates what the texts quote. npm run docs -- 3 updates chapter 3; with --check it only says
// what would change.
await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { check: { type: 'boolean', default: false } },
  });
  const [chapter, ...more] = positionals;
  const texts = await readTexts();
  const titles = texts.flatMap(({ blocks }) => blocks.map((block) => block.chapter));
  if (more.length > 0 || (chapter && !titles.some((title) => title.startsWith(`${chapter}. `)))) {
    throw new UsageError('Type npm run docs, npm run docs -- --check, or npm run docs -- 3.');
  }
  // Exit in order, so temporary folders are removed.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

  const renewed = await Promise.all(texts.map((text) => renew(text, chapter)));
  const problems = renewed.map(list).join('');
  let [changes, wrong] = ['', ''];
  if (!problems) {
    for (const { text, markdown } of renewed) {
      changes += showChanges(text, markdown);
      if (!values.check) await writeFile(join(root, text.file), markdown);
    }
    wrong = (await checkNames(values.check ? texts : await readTexts())).map(list).join('');
  }
  console.log(
    problems || changes + wrong || 'Nothing to change: the texts say what the code does.',
  );
  if (problems || wrong || (changes && values.check)) process.exitCode = 1;
});

function readTexts(): Promise<Text[]> {
  const read = async (file: string) => parseText(file, await readFile(join(root, file), 'utf8'));
  return Promise.all(['TUTORIAL.md', 'README.md'].map(read));
}
