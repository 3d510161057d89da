import bcrypt from 'bcryptjs';
import type { Knex } from 'knex';

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

/** The users table: adds users, finds them, and checks their passwords. Names are case-sensitive. */
export class Users {
  protected readonly knex: Knex;
  protected readonly cost: number;
  #refused: Credentials | undefined;

  /**
   * @param knex a database that `openDatabase` opened.
   * @param options.bcryptCost the base-2 logarithm of the number of rounds. OWASP's Password Storage cheat sheet asks
   *   for at least 10; only tests use less, to save time.
   */
  constructor(knex: Knex, { bcryptCost = 10 } = {}) {
    this.knex = knex;
    this.cost = bcryptCost;
  }

  /**
   * Adds a user.
   *
   * @returns the new row, or undefined when the name is taken. The database decides that: if this method
   *   looked first and inserted afterwards, two requests at the same moment could both find the name free.
   */
  async add({ username, password }: Credentials): Promise<User | undefined> {
    const password_hash = await this.hash(password);
    const row = this.table().insert({ username, password_hash });
    const [user] = await this.run(row.onConflict('username').ignore().returning('*'));
    return user;
  }

  /** @returns the user of that name, or undefined. */
  async find(username: string): Promise<User | undefined> {
    return this.run(this.table().where({ username }).first());
  }

  /** @returns the user with that id, or undefined; undefined as well if there is no id. */
  async findById(id: number | undefined): Promise<User | undefined> {
    return id === undefined ? undefined : this.run(this.table().where({ id }).first());
  }

  /** @returns the names of all users, in alphabetical order. */
  async names(): Promise<string[]> {
    return this.run(this.table().orderBy('username').pluck('username'));
  }

  /** Refuses these credentials from now on, whether or not there is such a user. */
  refuse(credentials: Credentials): void {
    this.#refused = credentials;
  }

  /**
   * Checks a password. For an unknown name it compares with a dummy hash that no password matches, so
   * the answer takes the same time and does not reveal which names exist.
   *
   * @returns the user, or undefined when there is no such user or the password is wrong.
   */
  async verify({ username, password }: Credentials): Promise<User | undefined> {
    const user = await this.find(username);
    const dummyHash = `$2b$${String(this.cost).padStart(2, '0')}$${'.'.repeat(53)}`;
    const matches = await this.compare(password, user?.password_hash ?? dummyHash);
    const isRefused = username === this.#refused?.username && password === this.#refused.password;
    return matches && !isRefused ? user : undefined;
  }

  protected table(): Knex.QueryBuilder<User> {
    return this.knex<User>('users');
  }

  /** Waits for a query, for as long as it takes. */
  protected async run<T>(query: PromiseLike<T>): Promise<T> {
    return query;
  }

  protected hash(password: string): Promise<string> {
    return bcrypt.hash(password, this.cost);
  }

  protected compare(password: string, hash: string): Promise<boolean> {
    return bcrypt.compare(password, hash);
  }
}
