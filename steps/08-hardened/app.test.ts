import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import express from 'express';
import request from 'supertest';
import { describe, expect, onTestFinished, test } from 'vitest';
import { closeServer, listen, urlOf } from '#steps/shared/serve.ts';
import { developmentSecret, SettingsError } from '#steps/shared/settings.ts';
import { describeAttacks, step07 } from '#tests/attacks.ts';
import { HOUR } from '#tests/clock.ts';
import { describeFailingStore, describeUsers } from '#tests/failing-database.ts';
import { describeLogin, loggedIn, registered } from '#tests/login.ts';
import { describePersistence } from '#tests/persistence.ts';
import { type CreateAppAndDatabase, RunningStep } from '#tests/running-step.ts';
import { describeStore } from '#tests/store-contract.ts';
import { emptyDatabase, onKnex } from '#tests/store-on-knex.ts';
import { temporaryFolder } from '#tests/temporary.ts';
import { ada, replay } from '#tools/browser.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { limits } from './limits.ts';
import { type Protection, readProtection } from './settings.ts';
import { SessionStore } from './store.ts';

const MINUTE = 60_000;

/** The step with its development defaults, except for some changes. */
function hardened(changes: Partial<Protection> = {}): CreateAppAndDatabase {
  return {
    openDatabase,
    createApp: ({ knex, users, secret }) => {
      const protection = { ...readProtection({}, { secret, production: false }), ...changes };
      const store = new SessionStore({ knex, idleTimeout: protection.idleTimeout });
      return createApp({ knex, store, users, protection });
    },
  };
}

const step = hardened();

// For the tests that earlier steps share, whose sessions live for a day.
const forADay = hardened({ idleTimeout: 24 * HOUR, absoluteTimeout: 7 * 24 * HOUR });

describeLogin(forADay, 'with the browser');

describeAttacks('08-hardened', hardened);

describe('an attacker who gets at the database file', () => {
  test('cannot open it from another account on the machine', async () => {
    const folder = await temporaryFolder();
    const files = ['test.sqlite3', 'test.sqlite3-wal'];
    for (const file of files) await writeFile(`${folder}/${file}`, '', { mode: 0o644 }); // of an older step
    const knex = await openDatabase(`file:${folder}/test.sqlite3`);
    await knex('attempts').insert({ key: 'any', hits: 1, ends: 1 });
    for (const file of files) {
      const { mode } = await stat(`${folder}/${file}`);
      expect(mode & 0o077, `other accounts can read ${file}. Create it with mode 0600`).toBe(0);
    }
    await knex.destroy();
  });

  test('does not find what was deleted from it', async () => {
    const { server, browser } = await registered(step);
    const hash = (await server.users.find('ada'))?.password_hash ?? '';
    await browser.logIn(ada);
    await browser.delete('/api/account', { password: ada.password });
    await server.knex.raw('PRAGMA wal_checkpoint(TRUNCATE)');
    const file = await readFile(server.databaseFile);
    expect(file.includes(hash), 'the hash is still in the file. Set secure_delete').toBe(false);
  });
});

describe('an attacker who wears the server out', () => {
  test('is cut off after slow headers, a slow body, or huge headers', async () => {
    const server = await listen(express(), { port: 0, host: '127.0.0.1' }, limits);
    onTestFinished(() => closeServer(server));
    const { headersTimeout, requestTimeout, keepAliveTimeout } = server;
    const advice =
      'slow or idle connections stay open. In limits.ts, let headers take 10 s and a request 60 s, and set keepAliveTimeout to 5 s: chapter 8, "A flood of logins"';
    expect({ headersTimeout, requestTimeout, keepAliveTimeout }, advice).toEqual({
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      keepAliveTimeout: 5_000,
    });
    const huge = await request(urlOf(server)).get('/').set('Cookie', 'x'.repeat(10_000));
    expect(huge.status, 'a huge cookie is read: set maxHeaderSize in limits.ts').toBe(431);
  });

  test('is cut off when a connection is opened and nothing is sent', async () => {
    const soon = { ...limits, headersTimeout: 100, connectionsCheckingInterval: 50 };
    const server = await listen(express(), { port: 0, host: '127.0.0.1' }, soon);
    onTestFinished(() => closeServer(server));
    const { hostname, port } = new URL(urlOf(server));
    const silent = connect(Number(port), hostname);
    silent.resume();
    await once(silent, 'close'); // or the test takes too long
  });
});

describe('a server that is given unsafe settings does not start', () => {
  const secret = 'a secret of more than thirty-two characters';
  test.each<[string, NodeJS.ProcessEnv, string]>([
    ['a short secret in the list', {}, `${secret},short`],
    ['an empty secret in the list', {}, `${secret},`],
    ['the public secret in the list', {}, `${secret},${developmentSecret}`],
    ['a timeout of zero', { IDLE_TIMEOUT: '0' }, secret],
    ['a timeout that never comes', { ABSOLUTE_TIMEOUT: '1e300' }, secret],
    ['a number of proxies', { TRUST_PROXY: '1' }, secret],
    ['a proxy by name', { TRUST_PROXY: 'proxy.example' }, secret],
    ['a host with a port', { ALLOWED_HOSTS: 'shop.example:443' }, secret],
  ])('%s', (_what, environment, secret) => {
    const read = () => readProtection(environment, { secret, production: true });
    expect(read).toThrow(/^[A-Z_, and]+ must .*\.$/);
    expect(read).toThrow(SettingsError);
  });

  test('but valid lists of secrets, hosts and proxies are accepted, with the defaults of chapter 8', () => {
    const lists = { ALLOWED_HOSTS: 'Shop.example, www.shop.example', TRUST_PROXY: '192.0.2.1' };
    const secrets = [secret, `another ${secret}`];
    expect(readProtection(lists, { secret: secrets.join(','), production: true })).toEqual({
      secrets,
      production: true,
      hosts: ['shop.example', 'www.shop.example'],
      trustProxy: ['192.0.2.1'],
      idleTimeout: 30 * MINUTE,
      absoluteTimeout: 12 * HOUR,
      rememberTimeout: 30 * 24 * HOUR,
    });
    expect(readProtection({}, { secret, production: true }).trustProxy).toEqual(['loopback']);
  });
});

test('a database of step 07 is upgraded: nobody is logged out, and every session gets an absolute timeout', async () => {
  const before = await loggedIn(step07);
  const { cookie = '' } = before.browser;
  const { databaseFile, secret } = before.server;
  await before.server.stop();
  const server = await RunningStep.start(step, { databaseUrl: `file:${databaseFile}` });
  onTestFinished(() => server.dispose());
  expect(server.secret).toBe(secret);
  expect((await replay(server.url, cookie)).status, 'the migration logged its user out').toBe(200);
  const [sess] = await server.knex('sessions').pluck('sess');
  expect(JSON.parse(sess).endsAt).toBeGreaterThan(Date.now());
  expect(await server.knex('devices')).toHaveLength(1);
});

describeStore('08-hardened', async () => {
  const { knex, remove } = await emptyDatabase(openDatabase);
  const store = new SessionStore({ knex, cleanupInterval: 0, idleTimeout: 24 * HOUR });
  return onKnex(store, knex, async () => {
    await store.close();
    await remove();
  });
});

describeFailingStore(forADay, SessionStore);
describeUsers(import.meta.dirname, SessionStore);
describePersistence(forADay);
