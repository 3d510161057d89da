import type { Request, RequestHandler } from 'express';
import ipaddr from 'ipaddr.js';
import type { Credentials, User, Users } from '#database/users.ts';
import { inTime } from '#steps/05-failing-database/in-time.ts';
import type { SessionStore } from '#steps/08-revoke-sessions/store.ts';
import { createError } from '#steps/shared/errors.ts';
import type { DeviceCookie } from './device-cookie.ts';

// The attack: a program tries passwords, many for one account, or a few for each of many accounts; another
// one registers accounts, or keeps the server busy with a password that it knows.

const WINDOW = 15 * 60 * 1000; // in milliseconds
const PER_ACCOUNT = 10; // wrong passwords in one window
const PER_ADDRESS = 50; // more, because a whole office can share one address
const REGISTRATIONS = 20; // from one address in one window, successful or not
const AT_ONCE = 10; // passwords from one address that are being checked, right or wrong

/** Rate limits, which answer 429 before a password is hashed. */
export function rateLimits(store: SessionStore, users: Users, devices: DeviceCookie) {
  const attempts = new Attempts(store);
  const checking: string[] = []; // the addresses whose passwords this process is checking

  /**
   * Checks a password, as `users.verify` does. Each attempt counts while it is under way, and afterwards only if the
   * password was wrong, whether or not the client has waited for the answer.
   */
  async function verify(req: Request, given: Credentials): Promise<User | undefined> {
    const address = addressOf(req);
    if (checking.filter((other) => other === address).length >= AT_ONCE) throw tooMany(req, 1);
    checking.push(address);
    const counted: string[] = [];
    let isWrong = false;
    try {
      for (const [key, limit] of await limitsOf(req, given.username)) {
        await count(req, key, limit);
        counted.push(key);
      }
      const user = await users.verify(given);
      isWrong = !user;
      return user;
    } finally {
      checking.splice(checking.indexOf(address), 1);
      if (!isWrong) for (const key of counted) await attempts.add(key, -1);
    }
  }

  /** What limits an attempt. A browser in which the user is or was logged in has a limit of its own. */
  async function limitsOf(req: Request, username: string): Promise<[key: string, limit: number][]> {
    const user = await users.find(username);
    const account = user ? `user ${user.id}` : `name ${username}`; // a name can get another owner
    const isLoggedIn = user && req.session.userId === user.id;
    const browser = isLoggedIn ? store.storedId(req.sessionID) : devices.find(req, user);
    if (browser) return [[`browser ${browser}`, PER_ACCOUNT]];
    return [
      [account, PER_ACCOUNT],
      [`address ${addressOf(req)}`, PER_ADDRESS],
    ];
  }

  /** @throws {HttpError} 429, without counting, when the limit is reached. */
  async function count(req: Request, key: string, limit: number): Promise<void> {
    const { hits, ends } = await attempts.add(key, 1);
    if (hits <= limit) return;
    await attempts.add(key, -1);
    throw tooMany(req, Math.ceil((ends.getTime() - Date.now()) / 1000));
  }

  const limitRegistrations: RequestHandler = async (req, _res, next) => {
    await count(req, `register ${addressOf(req)}`, REGISTRATIONS);
    next();
  };

  return { verify, limitRegistrations };
}

function tooMany(req: Request, seconds: number): Error {
  const wait = seconds > 1 ? 'a few minutes' : 'a moment';
  req.res?.set('Retry-After', String(Math.max(1, seconds)));
  return createError(429, `Too many attempts. Wait ${wait}, then try again.`);
}

/**
 * @returns the client's address, without the port that some proxies add. Of an IPv6 address the first 56 bits, because
 *   one client has all the others.
 * @throws {HttpError} 400 when the proxy has sent something else.
 */
function addressOf({ ip = '' }: Request): string {
  const address = ip.replace(/^\[(.+)\](:\d+)?$|^([\d.]+):\d+$/, '$1$3');
  if (ipaddr.isValid(address)) return ipaddr.process(address).toByteArray().slice(0, 7).join('.');
  throw createError(400, 'X-Forwarded-For must name the client by its IP address.');
}

/** Counts attempts in the database of the store, so the counts survive a restart, and all servers share them. */
class Attempts {
  readonly #store: SessionStore;

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /**
   * Adds to a count in a single statement, so attempts at the same moment are all counted.
   *
   * @param change 1, or -1 to take an attempt back.
   * @returns the count, and when it starts again.
   */
  async add(key: string, change: 1 | -1): Promise<{ hits: number; ends: Date }> {
    const { knex } = this.#store;
    const now = Date.now();
    await inTime(knex('attempts').where('ends', '<=', this.#store.at(now)).delete());
    const [row] = await inTime(
      knex('attempts')
        .insert({ key, hits: Math.max(change, 0), ends: this.#store.at(now + WINDOW) })
        .onConflict('key')
        .merge({ hits: knex.raw('attempts.hits + ?', [change]) })
        .returning(['hits', 'ends']),
    );
    return { hits: row.hits, ends: new Date(row.ends) };
  }
}
