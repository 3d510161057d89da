// npm install connect-redis@9.0.0 redis@5 express-session@1.19.0
// REDIS_URL=redis://… node connect-redis.mjs

import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { createClient } from 'redis';

const client = await createClient({ url: process.env.REDIS_URL }).connect();
const store = new RedisStore({ client, prefix: 'reproduction:' });
const ask = (method, ...args) =>
  new Promise((done) => store[method](...args, (...call) => done(call)));
const make = (maxAge = 3_600_000) => ({ cookie: new session.Cookie({ maxAge }) });

console.log('A touch does not store the cookie: "remember me" lasts until the next request.');
await ask('set', 'a', make());
await ask('touch', 'a', make(30 * 86_400_000));
console.log('  originalMaxAge:', (await ask('get', 'a'))[1].cookie.originalMaxAge);

console.log('A corrupt session is an error at every request, until it expires:');
await client.set('reproduction:b', '{"cookie":');
console.log('  get:', `${(await ask('get', 'b'))[0]}`, '- all:', `${(await ask('all'))[0]}`);

console.log('A callback that throws is called again, with its own error:');
let calls = 0;
process.on('unhandledRejection', (error) => console.log('  the process would end:', error.message));
store.get('a', () => {
  calls += 1;
  throw new Error('the callback failed');
});
await new Promise((done) => setTimeout(done, 300));
console.log('  calls:', calls);
await ask('clear');
client.destroy();
