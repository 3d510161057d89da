import type { Knex } from 'knex';
import type { User } from '#database/users.ts';
import * as step05 from '#steps/05-failing-database/users.ts';

/** What a change of the account does in the same transaction: both happen, or neither. */
type Also = (transaction: Knex) => Promise<unknown>;

/** The users table, whose users can change their password and delete their account. */
export class Users extends step05.Users {
  /** @returns whether the user still has this password. If a change is in progress, waits for it. */
  async isCurrent({ id, password_hash }: User): Promise<boolean> {
    const user = await this.run(this.table().where({ id }).forShare().first());
    return user?.password_hash === password_hash;
  }

  async setPassword(id: number, password: string, also: Also): Promise<void> {
    const password_hash = await this.hash(password);
    await this.#change(id, also, (user) => user.update({ password_hash }));
  }

  async remove(id: number, also: Also): Promise<void> {
    await this.#change(id, also, (user) => user.delete());
  }

  async #change(
    id: number,
    also: Also,
    change: (user: Knex.QueryBuilder) => PromiseLike<unknown>,
  ): Promise<void> {
    const work = async (transaction: Knex) => {
      const user = () => transaction('users').where({ id });
      await user().update({ id }); // locks the row, so a change at the same moment waits, and nothing deadlocks
      await also(transaction);
      await change(user());
    };
    await this.run(this.knex.transaction(work));
  }
}
