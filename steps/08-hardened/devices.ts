import { randomUUID } from 'node:crypto';
import type { Knex } from 'knex';
import { fromNow } from '#database/clock.ts';
import { inTime } from '#database/in-time.ts';
import { createError } from '#steps/shared/errors.ts';
import { storedId } from './session-id.ts';

// The attack: someone has your laptop, or you forgot to log out in a library. You can see where you are logged
// in, and log out there from another device.

const MAX_SESSIONS = 20; // of one user

/** One login of a user, as the user sees it. */
export interface Device {
  /** A public id of the session. Nobody can log in with it. */
  id: string;
  current: boolean;
  createdAt: string;
  lastSeenAt: string;
  userAgent: string;
}

/** Which session belongs to which user. A foreign key deletes each row together with its session. */
export class Devices {
  readonly #knex: Knex;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  /** Adds a session that has been saved. When the user has too many, the oldest ones end. */
  async add(userId: number, sid: string, userAgent = 'unknown'): Promise<void> {
    const device = { id: randomUUID(), sid: storedId(sid), user_id: userId };
    const what = { created_at: new Date().toISOString(), user_agent: userAgent.slice(0, 200) };
    await inTime(this.#knex('devices').insert({ ...device, ...what }));
    const tooMany = this.#of(userId).orderBy('created_at', 'desc').offset(MAX_SESSIONS).limit(1000);
    await this.#end(tooMany);
  }

  /** @returns where a user is logged in, the latest login first. @param sid the session that is asking. */
  async list(userId: number, sid: string): Promise<Device[]> {
    const rows = await inTime(
      this.#of(userId)
        .join('sessions', 'sessions.sid', 'devices.sid')
        .where('expired', '>', fromNow(this.#knex))
        .orderBy('created_at', 'desc')
        .select('devices.*', 'seen'),
    );
    return rows.map((row) => ({
      id: row.id,
      current: row.sid === storedId(sid),
      createdAt: row.created_at,
      lastSeenAt: row.seen,
      userAgent: row.user_agent,
    }));
  }

  /** Ends one session of a user. @returns whether there was one of that id. */
  async end(userId: number, id: string): Promise<boolean> {
    return (await this.#end(this.#of(userId).where({ id }))) === 1;
  }

  /** Ends all sessions of a user but one. */
  async endOthers(userId: number, sid: string): Promise<void> {
    await this.#end(this.#of(userId).whereNot('devices.sid', storedId(sid)));
  }

  /**
   * Ends all sessions of a user, because one of them changes the account.
   *
   * @param sid the session that is asking.
   * @param knex a transaction, with the change that this is part of.
   * @throws {HttpError} 401 when that session has ended meanwhile, because another change came first.
   */
  async endAll(userId: number, sid: string, knex: Knex): Promise<void> {
    const sids: string[] = await this.#sessionsOf(this.#of(userId), knex).pluck('sid');
    if (!sids.includes(storedId(sid))) throw createError(401, 'Log in first.');
    await knex('sessions').whereIn('sid', sids).delete();
  }

  #of(userId: number) {
    return this.#knex('devices').where({ user_id: userId });
  }

  #end(devices: Knex.QueryBuilder): Promise<number> {
    const sids = this.#sessionsOf(devices, this.#knex).select('sid');
    return inTime(this.#knex('sessions').whereIn('sid', sids).delete());
  }

  /** Locks the rows, always in the same order, so two servers that end the same sessions cannot deadlock. */
  #sessionsOf(devices: Knex.QueryBuilder, knex: Knex): Knex.QueryBuilder {
    const sids = devices.select('devices.sid');
    return knex('sessions').whereIn('sid', sids).orderBy('sid').forUpdate();
  }
}
