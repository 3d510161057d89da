// npm install session-file-store@1.5.0 express-session@1.19.0 && node session-file-store.mjs
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import session from 'express-session';
import connect from 'session-file-store';

const path = join(mkdtempSync(join(tmpdir(), 'sessions-')), 'sessions');
const store = new (connect(session))({ path, reapInterval: -1, logFn() {} });
const ask = (method, ...args) =>
  new Promise((done) => store[method](...args, (...call) => done(call)));
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });
const wait = (time) => new Promise((done) => setTimeout(done, time));

console.log('A touch revives an expired session, without its data:');
await ask('set', 'a', { ...make(100), userId: 1 });
await wait(200);
console.log('  get:', await ask('get', 'a'));
await ask('touch', 'a', make());
const [, revived] = await ask('get', 'a');
console.log('  get after a touch: a session', Boolean(revived), 'with userId', revived?.userId);

console.log('A session whose cookie has no expiry ends an hour after its last use:');
console.log('  ttl:', store.options.ttl, 'seconds');

console.log('A corrupt session is an error, and only the next request starts anew:');
await ask('set', 'b', make());
writeFileSync(join(path, 'b.json'), '{"cookie":');
console.log('  get:', `${(await ask('get', 'b'))[0]}`);
writeFileSync(join(path, 'b.json'), '{}');
console.log('  get of {}:', await ask('get', 'b'));

console.log(
  'Calls made at once are not run in order. Of 200 destroyed sessions, a get that follows finds:',
);
let found = 0;
for (let index = 0; index < 200; index++) {
  await ask('set', 'c', make());
  const destroying = ask('destroy', 'c');
  if ((await ask('get', 'c'))[1]) found++;
  await destroying;
}
console.log(' ', found);

console.log('A failing clear reports an array, not an error:');
renameSync(path, `${path}-away`);
writeFileSync(path, '');
console.log('  is an error:', (await ask('clear'))[0] instanceof Error);
