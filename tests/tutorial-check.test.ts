import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { makeFolder, temporaryFolder } from './temporary.ts';
import { checkDiffs } from './tutorial/diffs.ts';
import { checkExcerpts } from './tutorial/excerpts.ts';
import { checkNames, findUnnamed } from './tutorial/names.ts';
import { type Block, type Problem, parseText, readText, type Text } from './tutorial/text.ts';
import { checkTranscripts, type Recording, replay } from './tutorial/transcripts.ts';

// The check of the tutorial is checked: whatever is wrong in a text must be reported, with its file, its
// line, and what is expected.

const tutorial = await readText('TUTORIAL.md');

describe('an excerpt', () => {
  const head = ['```ts', '// steps/01-in-memory/app.ts'];
  const clear = "    res.clearCookie('sid', cookie).status(204).end();";
  const logout = [
    "app.post('/api/logout', (req, res, next) => {",
    '  req.session.destroy((error) => {',
    '// …',
    clear,
    '  });',
  ];

  test('that is in its file is right', async () => {
    expect(await checkExcerpts(page(...head, ...logout, '```'))).toEqual([]);
  });

  const expressed = 'const app = express();';
  test.each([
    ['a line that is another', 4, ['  req.session.destroy((problem) => {'], /destroy\(\(error\)/],
    [
      'a line after the gap that is another',
      6,
      ["    res.clearCookie('sid');", '  });'],
      /sid', cookie/,
    ],
    [
      'a gap that leaves nothing out',
      6,
      ['    if (error) return next(error);', clear],
      /nothing out/,
    ],
    ['a gap before what stands above', 6, [expressed], /stand before/],
    [
      'lines that stand there more than once',
      6,
      ['    if (error) return next(error);'],
      /\d times/,
    ],
    ['another indentation', 6, [clear.slice(2)], /indented otherwise.*\n {4}res/],
    ['a file that is missing', 2, ['// steps/01-in-memory/missing.ts'], /names a file/],
    ['no file', 2, ['const a = 1;'], /names a file/],
    ['a language that nobody checks', 1, ['```python'], /Nobody checks.*ts, js/],
  ])('with %s is reported', async (_what, line, lines, expected) => {
    const all = [...head, ...logout];
    all.splice(line - 1, line === 6 ? 2 : 1, ...lines);
    expectOne(await checkExcerpts(page(...all, '```')), line, expected);
  });

  test('of the tutorial is reported, whichever of its lines is changed', async () => {
    const lines = shownLines(tutorial, ({ language }) => language === 'ts');
    expect(lines.length).toBeGreaterThan(20);
    for (const { line } of lines) {
      const problems = await checkExcerpts(changed(tutorial, line));
      expect(places(problems)).toContain(`TUTORIAL.md:${line}`);
    }
  });
});

describe('a diff', () => {
  const isDiff = ({ language, lines }: Block) => language === 'diff' && /^\$ /.test(lines[0] ?? '');

  test('of the tutorial is reported, whichever of its lines is changed', async () => {
    const lines = shownLines(tutorial, isDiff).filter(({ text }) => text !== '…');
    expect(lines.length).toBeGreaterThan(50);
    for (const { line } of lines) {
      const problems = await checkDiffs(changed(tutorial, line));
      expect(places(problems)).toContain(`TUTORIAL.md:${line}`);
      expect(problems[0]?.message).toMatch(/Expected is\n/);
    }
  });

  test('that leaves out its end without a … is reported', async () => {
    const block = tutorial.blocks.find(isDiff);
    const lines = block?.lines.slice(0, -3) ?? [];
    expectOne(
      await checkDiffs(page('```diff', ...lines, '```')),
      lines.length + 1,
      /There is more/,
    );
  });

  test.each([
    ['of another command', ['$ git diff', '-a'], 2],
    ['of a file without a place', ['--- steps/01-in-memory/app.ts', '-a', '+b'], 2],
    ['of two files at once', ['--- a.ts', '+++ b.ts', '@@', '-a'], 2],
  ])('%s is reported', async (_what, lines, line) => {
    expectOne(
      await checkDiffs(page('```diff', ...lines, '```')),
      line,
      /Expected is "\$ npm run diff"/,
    );
  });
});

describe('a name', () => {
  test.each([
    ['a file', 'See `steps/01-in-memory/apps.ts`.', /no such file/],
    ['a file without its folder', 'See `apps.ts`.', /no file of this name/],
    ['an npm script', 'Type `npm run stop 1`.', /no such npm script.*step, /s],
    ['a step', 'Type `npm run step 42`.', /no such step.*01-in-memory/s],
    ['a variable', 'Type `SECRET=a npm run step 1`.', /No code reads.*SESSION_SECRET/s],
    ['a test', `It says \`forgets who you are ${'yesterday'}\`.`, /No test/],
    ['a heading', 'See [there](#nowhere).', /leads nowhere/],
    ['a heading of another page', 'See [there](README.md#nowhere).', /leads nowhere/],
    ['a link to a file', 'See [there](steps/missing.ts).', /leads nowhere/],
  ])('of %s that does not exist is reported', async (_what, sentence, expected) => {
    const readme = await readText('README.md');
    expectOne(await checkNames(page('# A page', '', sentence), [readme]), 3, expected);
  });

  test('of what exists is right', async () => {
    const sentence =
      'See `steps/01-in-memory/app.ts`, `npm run step 1`, `PORT`, [this](#a-page), [that](README.md#commands) and `forgets who you are when the server restarts`.';
    expect(await checkNames(page('# A page', '', sentence), [await readText('README.md')])).toEqual(
      [],
    );
  });

  test('of a session in a diagram that no transcript shows is reported', async () => {
    const lines = ['## 1. A', '```mermaid', 'A->>B: who is 9SX7…?', '```'];
    expectOne(await checkNames(page(...lines), []), 3, /beginning of a session id/);
  });

  test('that the text does not mention is reported', async () => {
    const missing = await findUnnamed([page('`npm run step`, `PORT`')]);
    expect(missing).toEqual(
      expect.arrayContaining(['npm run diff', 'HOST', 'steps/01-in-memory/app.ts']),
    );
    expect(missing).not.toContain('npm run step');
  });
});

describe('a transcript', () => {
  const id = 'l2n0mTIv8rEDqf5bMh3VwSoPybuOF1xq';
  const signature = 'QmKV7CR7YQy0s1CjnlNDtKrUeJt9G7jQwNLeZcF5Kts';
  const chapter = [
    '## 1. A chapter',
    '```console',
    '$ npm run step 1',
    '01-in-memory · Sessions in memory · http://127.0.0.1:3000 · process 101',
    '$ curl -i -c jar -H "Content-Type: application/json" -d \'{"username":"demo","password":"demo-password"}\' http://127.0.0.1:3000/api/login',
    'HTTP/1.1 200 OK',
    '…',
    `Set-Cookie: sid=s%3A${id}.${signature}; Path=/; Expires=Tue, 24 Nov 2026 17:00:41 GMT; HttpOnly; …`,
    '…',
    '{"username":"demo"}',
    '$ curl -s -b jar http://127.0.0.1:3000/inspect',
    '…',
    '  "processId": 101,',
    '…',
    `  "sessionId": "${id.slice(0, 8)}…",`,
    '…',
    '$ npm run step 1',
    '01-in-memory · Sessions in memory · http://127.0.0.1:3000 · process 102',
    '$ kill -9 102',
    '$ echo from below > jar; cat jar',
    'from below',
    '```',
  ];
  const first = chapter.indexOf('HTTP/1.1 200 OK');
  let recording: Recording;
  let problems: Problem[];

  beforeAll(async () => {
    const { path, remove } = await makeFolder();
    recording = [];
    problems = await checkTranscripts(page(...chapter), blocks(chapter), path, recording);
    return remove;
  }, 60_000);

  test('that a reader would see is right', () => {
    expect(problems).toEqual([]);
    expect(replay(page(...chapter), blocks(chapter), recording)).toEqual([]);
  });

  test('is reported, whichever of its lines is changed', () => {
    const shown = chapter.flatMap((text, index) =>
      index > 1 && !/^(\$ .*|…|```)$/.test(text) ? [index] : [],
    );
    expect(shown.length).toBe(8);
    for (const index of shown) {
      const lines = chapter.with(index, `${chapter[index]}~`);
      const found = replay(page(...lines), blocks(lines), recording);
      expect(places(found)).toContain(`page.md:${index + 1}`);
      expect(found[0]?.message).toMatch(/Expected is/);
    }
  });

  const inspected = chapter.indexOf('  "processId": 101,');
  const restarted = chapter.lastIndexOf('$ npm run step 1') + 1;

  test.each([
    ['one process number for two processes', restarted, '102', '101', /process/],
    ['two process numbers for one process', inspected, '101', '109', /process/],
    [
      'two session ids for one session',
      inspected + 2,
      'l2n0mTIv',
      'x2n0mTIv',
      /session id|Expected is/,
    ],
    ['an id that is too short', first + 2, id, id.slice(1), /Expected is\n/],
    ['a time without its shape', first + 2, '24 Nov 2026', '24.11.2026', /Expected is\n/],
    ['a count that is another', first, '200', '201', /Expected is\n/],
  ])('with %s is reported', (_what, index, from, to, expected) => {
    const lines = chapter.with(index, (chapter[index] ?? '').replace(from, to));
    expectOne(replay(page(...lines), blocks(lines), recording), index + 1, expected);
  });

  test('that leaves lines out without a … is reported', () => {
    const lines = chapter.toSpliced(first + 1, 1);
    expectOne(replay(page(...lines), blocks(lines), recording), first + 2, /Expected is\n/);
  });

  test('without a command is reported', () => {
    const lines = ['```console', '{"username":"demo"}', '```'];
    expectOne(replay(page(...lines), blocks(lines), []), 2, /Expected is a command/);
  });

  test.each([
    [
      'the name of a test',
      '     ✓ forgets who you are when the server stops',
      4,
      /forgets who you are when the server restarts/,
    ],
    ['the number of tests', '   ✓ sessions in memory (5)', 4, /sessions in memory \(4\)/],
  ])('of npm test with another %s is reported', async (_what, wrong, line, expected) => {
    const lines = ['```console', '$ npm test 01', '…', wrong, '…', '```'];
    expectOne(await follow(lines), line, expected);
  });

  test.each([
    [
      'a line that is another',
      ['-  const app = expressly();', '+  const app = 1;'],
      5,
      /const app = express\(\);/,
    ],
    ['a line that stands there often', ['-      if (error) return next(error);'], 5, /times/],
    ['nothing to change', ['   const app = express();'], 5, /changes nothing/],
  ])('with an exercise that has %s is reported', async (_what, lines, line, expected) => {
    const path = 'steps/01-in-memory/app.ts';
    const block = ['```diff', `--- ${path}`, `+++ ${path}`, '@@', ...lines, '```'];
    expectOne(await follow(block), line, expected);
  });
});

/** Follows a few lines of Markdown in a copy of their own. */
async function follow(lines: string[]): Promise<Problem[]> {
  const folder = await temporaryFolder(onTestFinished);
  return checkTranscripts(page(...lines), blocks(lines), folder);
}

function page(...lines: string[]): Text {
  return parseText('page.md', lines.join('\n'));
}

function blocks(lines: string[]): Block[] {
  return page(...lines).blocks;
}

/** The lines that blocks show, without the one that says of what. */
function shownLines({ blocks }: Text, isShown: (block: Block) => boolean) {
  return blocks
    .filter(isShown)
    .flatMap(({ lines, line }) =>
      lines.slice(1).map((text, index) => ({ text, line: line + 1 + index })),
    )
    .filter(({ text }) => text.trim() !== '' && !/^\s*\/\/ …$/.test(text));
}

/** A text with one line changed, in its block. */
function changed(text: Text, line: number): Text {
  const change = (block: Block) => ({
    ...block,
    lines: block.lines.map((text, index) => (block.line + index === line ? `${text}~` : text)),
  });
  return { ...text, blocks: text.blocks.map(change) };
}

function places(problems: Problem[]): string[] {
  return problems.map(({ file, line }) => `${file}:${line}`);
}

function expectOne(problems: Problem[], line: number, expected: RegExp): void {
  expect(places(problems)).toEqual([`page.md:${line}`]);
  expect(problems[0]?.message).toMatch(expected);
}
