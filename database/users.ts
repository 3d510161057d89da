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
  readonly #knex: Knex;
  readonly #cost: number;
  readonly #nobodysHash: string;

  /**
   * @param knex a database that `openDatabase` opened.
   * @param options.bcryptCost the base-2 logarithm of the number of rounds. OWASP's Password Storage
   *   cheat sheet asks for 10 at least; only tests, which are in a hurry, choose less.
   */
  constructor(knex: Knex, { bcryptCost = 10 }: { bcryptCost?: number } = {}) {
    this.#knex = knex;
    this.#cost = bcryptCost;
    this.#nobodysHash = `$2b$${String(bcryptCost).padStart(2, '0')}$${'.'.repeat(53)}`;
  }

  /**
   * Adds a user.
   *
   * @returns the new row, or undefined when the name is taken. Of two requests that ask for one name at
   *   the same moment, the database lets one through: looking first and inserting after would not.
   */
  async add({ username, password }: Credentials): Promise<User | undefined> {
    const password_hash = await bcrypt.hash(password, this.#cost);
    const [user] = await this.#knex<User>('users')
      .insert({ username, password_hash })
      .onConflict('username')
      .ignore()
      .returning('*');
    return user;
  }

  /** @returns the user of that name, or undefined. */
  async find(username: string): Promise<User | undefined> {
    return this.#knex<User>('users').where({ username }).first();
  }

  /** @returns the user with that id, or undefined; also undefined for no id. */
  async findById(id: number | undefined): Promise<User | undefined> {
    if (id === undefined) return undefined;
    return this.#knex<User>('users').where({ id }).first();
  }

  /** Removes the user of that name, if there is one. */
  async remove(username: string): Promise<void> {
    await this.#knex<User>('users').where({ username }).delete();
  }

  /** @returns the names of all users, in alphabetical order. */
  async names(): Promise<string[]> {
    return this.#knex<User>('users').orderBy('username').pluck('username');
  }

  /**
   * Checks a password. For a name that nobody has, it compares with a hash that no password fits: so
   * the answer takes the same time, and a stranger cannot tell by the clock which names exist.
   *
   * @returns the user, or undefined when there is no such user or the password is wrong.
   */
  async verify({ username, password }: Credentials): Promise<User | undefined> {
    const user = await this.find(username);
    const matches = await bcrypt.compare(password, user?.password_hash ?? this.#nobodysHash);
    return matches ? user : undefined;
  }
}
