// npm install connect-typeorm@2.0.0 typeorm@0.3 pg express-session@1.19.0
// It drops every table there: give it an empty database of its own.
// DATABASE_URL=postgres://… node connect-typeorm.mjs

import { TypeormStore } from 'connect-typeorm';
import session from 'express-session';
import { DataSource, EntitySchema } from 'typeorm';

const columns = {
  id: { type: 'varchar', length: 255, primary: true },
  json: { type: 'text' },
  expiredAt: { type: 'bigint' },
  destroyedAt: { type: 'timestamp', nullable: true, deleteDate: true },
};
const entity = new EntitySchema({ name: 'sessions', columns });
const settings = { synchronize: true, dropSchema: true };
const data = new DataSource({
  type: 'postgres',
  url: process.env.DATABASE_URL,
  entities: [entity],
  ...settings,
});
const store = new TypeormStore().connect((await data.initialize()).getRepository(entity));
process.on('unhandledRejection', (error) => console.log('  the process would end:', error.message));
const ask = (method, ...args) =>
  new Promise((done) => {
    const calls = [];
    store[method](...args, (...call) => calls.push(call));
    setTimeout(done, 300, calls); // by then, it has called back
  });
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });

console.log(
  '20 saves of one new session at the same time fail, because the first has inserted it:',
);
const saves = await Promise.all(Array.from({ length: 20 }, () => ask('set', 'a', make())));
console.log(' ', new Set(saves.flat().map(([error]) => error?.message ?? 'saved')));

console.log('A touch calls back twice, at first before it has written:');
console.log('  callbacks:', (await ask('touch', 'a', make())).length);

console.log('A touch revives an expired session:');
await ask('set', 'b', make(1000));
await new Promise((done) => setTimeout(done, 1100));
console.log('  get:', (await ask('get', 'b'))[0][1]);
await ask('touch', 'b', make());
console.log('  get after a touch: a session', Boolean((await ask('get', 'b'))[0][1]));

console.log('A touch does not store the cookie: the expiry that get shows is the old one.');
await ask('touch', 'b', make(30 * 86_400_000));
console.log('  originalMaxAge:', (await ask('get', 'b'))[0][1].cookie.originalMaxAge);

console.log('destroy calls back before it has deleted, so it cannot report an error:');
await data.query('alter table sessions rename to away');
console.log('  callbacks:', await ask('destroy', 'a'));
await data.query('alter table away rename to sessions');

console.log('A callback that throws is called again, with its own error:');
let calls = 0;
store.get('b', () => {
  calls += 1;
  throw new Error('the callback failed');
});
await new Promise((done) => setTimeout(done, 300));
console.log('  calls:', calls);
await data.destroy();
