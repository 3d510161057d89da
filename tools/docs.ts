import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { command, UsageError } from './command.ts';
import { projectFiles } from './copy.ts';
import { parseText, type Text } from './docs/markdown.ts';
import { list, renew, showChanges } from './docs/renew.ts';
import { findStep, root } from './steps.ts';

// npm run docs: updates what the pages quote. npm run docs -- 3, or a path: only that page. With --check it only says what
// would change.
await command(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { check: { type: 'boolean', default: false } },
  });
  const texts = await readTexts(positionals);
  // Exit in order, so temporary folders are removed.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

  const renewed = await Promise.all(texts.map(renew));
  const problems = renewed.map(list).join('');
  let changes = '';
  if (!problems) {
    for (const { text, markdown } of renewed) {
      changes += showChanges(text, markdown);
      if (!values.check) await writeFile(join(root, text.file), markdown);
    }
  }
  console.log(problems || changes || 'Nothing to change: the pages say what the code does.');
  if (problems || (changes && values.check)) process.exitCode = 1;
});

/** Reads some pages, by their paths or by the numbers of their steps; by default, every page of the project. */
async function readTexts(names: string[]): Promise<Text[]> {
  const pages = (await projectFiles()).filter((file) => file.endsWith('.md'));
  const wanted = names.map((name) =>
    /^\d/.test(name) ? `steps/${findStep(name)}/README.md` : name,
  );
  const unknown = wanted.find((name) => !pages.includes(name));
  if (unknown) {
    throw new UsageError(`There is no page ${unknown}. Type npm run docs, or npm run docs -- 3.`);
  }
  const files = names.length > 0 ? wanted : pages;
  const read = async (file: string) => parseText(file, await readFile(join(root, file), 'utf8'));
  return Promise.all(files.map(read));
}
