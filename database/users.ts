import bcrypt from 'bcryptjs';
import type { Knex } from 'knex';
import { prepareSelect } from './prepared.ts';

/** A row of the users table. */
export interface User {
  id: number;
  username: string;
  /** The bcrypt hash of the password, 60 characters. The password itself is stored nowhere. */
  password_hash: string;
}

/** What a person types to register or to log in. The password is at most 72 bytes long. */
export interface Credentials {
  username: string;
  password: string;
}

/** Waits for a query. From step 05 on, only for a limited time. */
export type Wait = <T>(query: PromiseLike<T>) => Promise<T>;

/** How passwords are hashed and compared. */
export interface Hashing {
  hash(password: string, cost: number): Promise<string>;
  compare(password: string, hash: string): Promise<boolean>;
}

interface Options {
  /**
   * The base-2 logarithm of the number of rounds. OWASP's Password Storage cheat sheet asks for at least 10; only
   * tests use less, to save time.
   */
  bcryptCost?: number;
  /** How to wait for each query; by default, for as long as it takes. */
  wait?: Wait | undefined;
  /** By default bcryptjs, which works in slices on the event loop. */
  hashing?: Hashing;
}

/** The users table: adds users, finds them, and checks their passwords. Names are case-sensitive. */
export class Users {
  readonly #knex: Knex;
  readonly #byId: (values: number[]) => Promise<User | undefined>;
  readonly #cost: number;
  readonly #wait: Wait;
  readonly #hashing: Hashing;
  readonly #dummyHash: string;
  readonly #refused: Credentials[] = [];

  /** @param knex a database that `openDatabase` opened. */
  constructor(
    knex: Knex,
    { bcryptCost = 10, wait = async (query) => query, hashing = bcrypt }: Options = {},
  ) {
    this.#knex = knex;
    this.#byId = prepareSelect(knex, 'select * from users where id = ?');
    this.#wait = wait;
    this.#cost = bcryptCost;
    this.#hashing = hashing;
    this.#dummyHash = `$2b$${String(bcryptCost).padStart(2, '0')}$${'.'.repeat(53)}`;
  }

  /**
   * Adds a user.
   *
   * @returns the new row, or undefined when the name is taken. The database decides that: if this method
   *   looked first and inserted afterwards, two requests at the same moment could both find the name free.
   */
  async add({ username, password }: Credentials): Promise<User | undefined> {
    const password_hash = await this.#hash(password);
    const [user] = await this.#wait(
      this.#knex<User>('users')
        .insert({ username, password_hash })
        .onConflict('username')
        .ignore()
        .returning('*'),
    );
    return user;
  }

  /** @returns the user of that name, or undefined. */
  async find(username: string): Promise<User | undefined> {
    return this.#wait(this.#knex<User>('users').where({ username }).first());
  }

  /** @returns the user with that id, or undefined; undefined as well if there is no id. */
  async findById(id: number | undefined): Promise<User | undefined> {
    if (id === undefined) return undefined;
    return this.#wait(this.#byId([id]));
  }

  /** @returns whether the user still has this password. If a change is in progress, waits for it. */
  async isCurrent({ id, password_hash }: User): Promise<boolean> {
    const user = await this.#wait(this.#knex<User>('users').where({ id }).forShare().first());
    return user?.password_hash === password_hash;
  }

  /**
   * Removes the user of that name, if there is one.
   *
   * @param more what to do before that, in the same transaction.
   */
  async remove(username: string, more: (knex: Knex) => Promise<unknown> = async () => {}) {
    const removal = async (transaction: Knex) => {
      // Lock the user first, as setPassword does, so two changes at the same moment cannot deadlock.
      await transaction<User>('users').where({ username }).forUpdate().first();
      await more(transaction);
      await transaction<User>('users').where({ username }).delete();
    };
    await this.#wait(this.#knex.transaction(removal));
  }

  /**
   * Changes a password.
   *
   * @param more what else to do in the same transaction: both happen, or neither.
   */
  async setPassword(id: number, password: string, more: (knex: Knex) => Promise<unknown>) {
    const password_hash = await this.#hash(password);
    const change = async (transaction: Knex) => {
      await transaction<User>('users').where({ id }).update({ password_hash });
      await more(transaction);
    };
    await this.#wait(this.#knex.transaction(change));
  }

  /** @returns the names of all users, in alphabetical order. */
  async names(): Promise<string[]> {
    return this.#wait(this.#knex<User>('users').orderBy('username').pluck('username'));
  }

  /** Refuses these credentials from now on, whether or not there is such a user. */
  refuse(credentials: Credentials): void {
    this.#refused.push(credentials);
  }

  /**
   * Checks a password. For an unknown name it compares with a dummy hash that no password matches, so
   * the answer takes the same time and does not reveal which names exist.
   *
   * @returns the user, or undefined when there is no such user or the password is wrong.
   */
  async verify({ username, password }: Credentials): Promise<User | undefined> {
    const user = await this.find(username);
    const matches = await this.#hashing.compare(password, user?.password_hash ?? this.#dummyHash);
    const isRefused = this.#refused.some(
      (refused) => refused.username === username && refused.password === password,
    );
    return matches && !isRefused ? user : undefined;
  }

  #hash(password: string): Promise<string> {
    return this.#hashing.hash(password, this.#cost);
  }
}
