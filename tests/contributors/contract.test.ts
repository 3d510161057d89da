import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runScript } from '#tools/processes.ts';
import { root } from '#tools/steps.ts';
import { temporaryFolder } from '../temporary.ts';

const myStore = `
import session from 'express-session';

const sessions = new Map();

class MyStore extends session.Store {
  get(sid, callback) {
    const { text, expires } = sessions.get(sid) ?? {};
    setImmediate(callback, null, expires > Date.now() ? JSON.parse(text) : null);
  }
  set(sid, session, callback = () => {}) {
    const expires = Number(session.cookie.expires ?? Date.now() + 86_400_000);
    sessions.set(sid, { text: JSON.stringify(session), expires });
    setImmediate(callback, null);
  }
  destroy(sid, callback = () => {}) {
    sessions.delete(sid);
    setImmediate(callback, null);
  }
}

export async function createStore() {
  sessions.clear();
  return { store: new MyStore() };
}
`;

test('tries a store in a file, as the folder names it where the command was typed', async () => {
  const { code, stdout } = await contract(myStore);
  expect(code).toBe(0);
  expect(verdictOf(stdout, 'returns the session that was set')).toBe('yes');
  expect(verdictOf(stdout, 'keeps a touched session alive'), 'it has no touch').toBe('-');
  expect(verdictOf(stdout, 'a late save does not revive a logged-out session')).toBe('no');
  expect(stdout, 'why').toMatch(
    /^a late save does not revive a logged-out session:\n {2}.*expected/m,
  );
});

test('tries the next promise after a store has ended its process, or hangs', async () => {
  const faulty = myStore
    .replace(
      'sessions.delete(sid);',
      "if (sid === 'unknown') process.exit(); sessions.delete(sid);",
    )
    .replace('sessions.set(', "while (sid === '__proto__'); sessions.set(");
  const { code, stdout } = await contract(faulty);
  expect(code).toBe(0);
  expect(verdictOf(stdout, 'finds no session under an unknown id, without an error')).toBe('dies');
  expect(verdictOf(stdout, 'tells ids apart, even odd ones')).toBe('hangs');
  expect(stdout.match(/ (dies|hangs) /g)).toHaveLength(2);
  expect(verdictOf(stdout, 'tells ids of a thousand characters apart')).toBe('yes');
});

test.each([
  ['', 'Error: The file exports no function createStore.'],
  ['import "./none.js";', /Cannot find module '.*none\.js'/],
  ['export async function createStore() { throw new Error("No network."); }', 'Error: No network.'],
  [
    `${myStore.replace('return { store: new MyStore() }', 'return new MyStore()')}`,
    "createStore returned no { store } that extends express-session's Store.",
  ],
])('says why it cannot try a store: %#', async (text, message) => {
  const { code, stdout, stderr } = await contract(text);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(message);
});

/** Types npm run contract ./my-store.ts in a folder with that file. */
async function contract(text: string) {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'my-store.ts'), text);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return runScript('tools/contract.ts', ['./my-store.ts'], { env: { INIT_CWD: folder } });
}

function verdictOf(stdout: string, promise: string): string | undefined {
  return stdout
    .split('\n')
    .find((line) => line.startsWith(`| ${promise} `))
    ?.split('|')[2]
    ?.trim();
}
