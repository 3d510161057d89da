// npm install connect-session-sequelize@7.1.7 sequelize@6 pg express-session@1.19.0
// It drops the table Sessions there: give it an empty database of its own.
// DATABASE_URL=postgres://… node connect-session-sequelize.mjs

import connect from 'connect-session-sequelize';
import session from 'express-session';
import { Sequelize } from 'sequelize';

const db = new Sequelize(process.env.DATABASE_URL, { logging: false });
const store = new (connect(session.Store))({ db, checkExpirationInterval: 0 });
await store.sync({ force: true });
process.on('unhandledRejection', (error) => console.log('  the process would end:', error.message));
const ask = (method, ...args) =>
  new Promise((done) => store[method](...args, (...call) => done(call)));
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });
const wait = (time) => new Promise((done) => setTimeout(done, time));

console.log('get does not look at the expiry: an expired session lives until it is cleaned up.');
await ask('set', 'a', make(1));
await wait(100);
console.log('  get, 100 ms after a life of 1 ms: a session', Boolean((await ask('get', 'a'))[1]));
await ask('touch', 'a', make());
console.log(
  '  expiry after a touch is later than now:',
  (await store.sessionModel.findByPk('a')).expires > new Date(),
);

console.log('A touch does not store the cookie: the expiry that get shows is the old one.');
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

console.log('A callback that throws is called again, with its own error:');
let calls = 0;
store.get('a', () => {
  calls += 1;
  throw new Error('the callback failed');
});
await wait(300);
console.log('  calls:', calls);
await db.close();
