// npm install connect-session-knex@5.0.0 knex@3 sqlite3 express-session@1.19.0 && node connect-session-knex.mjs
import { ConnectSessionKnexStore } from 'connect-session-knex';
import session from 'express-session';
import createKnex from 'knex';

const settings = { client: 'sqlite3', useNullAsDefault: true };
const knex = createKnex({ ...settings, connection: { filename: ':memory:' } });
const store = new ConnectSessionKnexStore({ knex, cleanupInterval: 0 });
await store.ready;
process.on('unhandledRejection', (error) => console.log('  the process would end:', error.message));
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });
const ask = (method, ...args) =>
  new Promise((done) => {
    const calls = [];
    store[method](...args, (...call) => calls.push(call));
    setTimeout(done, 300, calls); // by then, it has called back
  });

await knex.schema.renameTable('sessions', 'away');
for (const method of ['get', 'set', 'touch', 'destroy', 'all', 'length', 'clear']) {
  console.log(`A failing ${method} rejects a promise, which nobody handles:`);
  const given = { get: ['a'], destroy: ['a'], set: ['a', make()], touch: ['a', make()] };
  console.log('  callbacks:', (await ask(method, ...(given[method] ?? []))).length);
}
await knex.destroy();
