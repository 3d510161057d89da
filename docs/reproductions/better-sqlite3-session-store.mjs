// npm install better-sqlite3-session-store@0.1.0 better-sqlite3@12 express-session@1.19.0
// node better-sqlite3-session-store.mjs

import Database from 'better-sqlite3';
import connect from 'better-sqlite3-session-store';
import session from 'express-session';

const client = new Database(':memory:');
const store = new (connect(session))({ client });
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });
const ask = (method, ...args) => {
  const calls = [];
  try {
    store[method](...args, (...call) => calls.push(call));
  } catch (error) {
    return `threw ${error.message}`;
  }
  return calls; // it has called back: its driver is synchronous
};

console.log('all returns rows, with the session as text:', ask('all'), 'after a set:');
ask('set', 'a', make());
console.log(' ', ask('all')[0][1]);

console.log('A touch does not store the cookie: "remember me" lasts until the next request.');
ask('touch', 'a', make(30 * 86_400_000));
console.log('  originalMaxAge:', ask('get', 'a')[0][1].cookie.originalMaxAge);

console.log('A date after the year 9999 is never later than now:');
ask('set', 'b', make(10_000 * 365 * 86_400_000));
console.log('  get:', ask('get', 'b')[0][1]);

console.log('An invalid date throws instead of calling back:');
console.log('  touch:', ask('touch', 'a', make(NaN)), 'set:', ask('set', 'a', make(NaN)));

console.log('A corrupt session throws instead of calling back:');
client.exec(`update sessions set sess = '{"cookie":' where sid = 'a'`);
console.log('  get:', ask('get', 'a'));

console.log('length and all include expired sessions:');
ask('set', 'c', make(1));
await new Promise((done) => setTimeout(done, 1100));
console.log(
  '  get:',
  ask('get', 'c')[0][1],
  'all:',
  ask('all')[0][1].some(({ sid }) => sid === 'c'),
);

process.exit(); // its timer would keep the process running
