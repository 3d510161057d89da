// npm install connect-pg-simple@10.0.0 pg express-session@1.19.0
// It drops the table session there: give it an empty database of its own.
// DATABASE_URL=postgres://… node connect-pg-simple.mjs

import connect from 'connect-pg-simple';
import session from 'express-session';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
await pool.query('drop table if exists session');
const store = new (connect(session))({
  pool,
  createTableIfMissing: true,
  pruneSessionInterval: false,
});
const ask = (method, ...args) =>
  new Promise((done) => store[method](...args, (...call) => done(call)));
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });
const wait = (time) => new Promise((done) => setTimeout(done, time));

console.log('A touch revives an expired session that has not been pruned yet:');
await ask('set', 'a', make(1));
await wait(1100);
console.log('  get: a session', Boolean((await ask('get', 'a'))[1]));
await ask('touch', 'a', make());
console.log('  get after a touch: a session', Boolean((await ask('get', 'a'))[1]));

console.log('A touch does not store the cookie: "remember me" lasts until the next request.');
await ask('touch', 'a', make(30 * 86_400_000));
console.log('  originalMaxAge:', (await ask('get', 'a'))[1].cookie.originalMaxAge);

console.log(
  'Calls made at once are not run in order. Of 200 destroyed sessions, a get that follows finds:',
);
let found = 0;
for (let index = 0; index < 200; index++) {
  await ask('set', 'b', make());
  const destroying = ask('destroy', 'b');
  if ((await ask('get', 'b'))[1]) found++;
  await destroying;
}
console.log(' ', found);

console.log('A callback that throws deletes the session, and is called again:');
let calls = 0;
process.on('uncaughtException', () => {});
store.get('a', () => {
  calls += 1;
  throw new Error('the callback failed');
});
await wait(300);
console.log('  calls:', calls, 'get: a session', Boolean((await ask('get', 'a'))[1]));
await pool.end();
