// npm install level-session-store@2.2.0 level@6 express-session@1.19.0 && node level-session-store.mjs
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import session from 'express-session';
import level from 'level';
import connect from 'level-session-store';

const folder = mkdtempSync(join(tmpdir(), 'sessions-'));
const LevelStore = connect(session);
const store = new LevelStore(join(folder, 'one'));
await once(store, 'connect');
const ask = (method, ...args) =>
  new Promise((done) => {
    store[method](...args, (...call) => done(call));
    setTimeout(done, 500, 'never called back');
  });
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });

console.log('A session never ends:');
await ask('set', 'a', make(1));
await new Promise((done) => setTimeout(done, 100));
console.log('  get, 100 ms after a life of 1 ms: a session', Boolean((await ask('get', 'a'))[1]));

console.log('A touch writes the whole session:');
await ask('set', 'b', { ...make(), userId: 1 });
const [, early] = await ask('get', 'b');
await ask('set', 'b', { ...make(), userId: 2 });
await ask('touch', 'b', early);
console.log('  userId after another request has saved 2:', (await ask('get', 'b'))[1].userId);

console.log('So it revives a logged-out session:');
await ask('destroy', 'b');
await ask('touch', 'b', early);
console.log('  get: a session', Boolean((await ask('get', 'b'))[1]));

console.log('clear never calls back:', await ask('clear'));

console.log('With a database of your own, no session can be saved:');
const own = new LevelStore(level(join(folder, 'two')));
console.log(
  '  set:',
  await new Promise((done) => own.set('a', make(), (error) => done(`${error}`))),
);
