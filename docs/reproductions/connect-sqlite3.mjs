// npm install connect-sqlite3@0.9.18 sqlite3@5 express-session@1.19.0 && node connect-sqlite3.mjs
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import connect from 'connect-sqlite3';
import session from 'express-session';

const store = new (connect(session))({ dir: mkdtempSync(join(tmpdir(), 'sessions-')) });
process.on('uncaughtException', (error) => console.log('  the process would end:', error.message));
const sql = (text) => new Promise((done) => store.db.run(text, done));
const ask = (method, ...args) =>
  new Promise((done) => {
    const calls = [];
    store[method](...args, (...call) => calls.push(call));
    setTimeout(done, 300, calls); // by then, it has called back
  });
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });

console.log('A touch does not store the cookie: "remember me" lasts until the next request.');
await ask('set', 'a', make());
await ask('touch', 'a', make(30 * 86_400_000));
console.log('  originalMaxAge:', (await ask('get', 'a'))[0][1].cookie.originalMaxAge);

console.log('A touch does not extend a session whose cookie has no expiry:');
await ask('set', 'b', make(null));
const expiry = () =>
  new Promise((done) =>
    store.db.get("select expired from sessions where sid = 'b'", (_, row) => done(row.expired)),
  );
const before = await expiry();
await ask('touch', 'b', make(null));
console.log('  moved by', (await expiry()) - before, 'ms in 300 ms');

console.log('all and length include expired sessions:');
await ask('set', 'c', make(1));
console.log(
  '  get:',
  (await ask('get', 'c'))[0][1],
  'all:',
  (await ask('all'))[0][1].length,
  'length:',
  (await ask('length'))[0][1],
);

console.log(
  'Calls made at once are not run in order. Of 200 destroyed sessions, a get that follows finds:',
);
let found = 0;
for (let index = 0; index < 200; index++) {
  await new Promise((done) => store.set('d', make(), done));
  const get = new Promise((done) => {
    store.destroy('d', () => {});
    store.get('d', (_, data) => done(data));
  });
  if (await get) found++;
}
console.log(' ', found);

await sql('alter table sessions rename to away');
for (const method of ['get', 'clear', 'touch', 'all', 'length']) {
  console.log(`A failing ${method}:`);
  const args = { get: ['a'], touch: ['a', make()] }[method] ?? [];
  console.log('  callbacks:', (await ask(method, ...args)).length);
}
await sql('alter table away rename to sessions');

// An error that is thrown in the driver's callback also breaks the driver, so its process cannot go on.
console.log('A corrupt session throws where nothing can catch it:');
await ask('set', 'e', make());
await sql(`update sessions set sess = '{"cookie":' where sid = 'e'`);
console.log('  callbacks of get:', (await ask('get', 'e')).length);
