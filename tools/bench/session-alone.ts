import { type User, Users } from '#database/users.ts';
import { createApp } from '#steps/07-cheap-reads/app.ts';
import { openDatabase } from '#steps/07-cheap-reads/database.ts';
import { SessionStore } from '#steps/07-cheap-reads/store.ts';
import { prepareDemoAccount } from '#steps/shared/demo-account.ts';
import { serve } from '#steps/shared/serve.ts';
import { stepFolder } from '../steps.ts';

/** Finds a user by id without querying the database. */
class UsersInMemory extends Users {
  readonly #users = new Map<number, User>();

  override async verify(credentials: Parameters<Users['verify']>[0]) {
    const user = await super.verify(credentials);
    if (user) this.#users.set(user.id, user);
    return user;
  }

  override async findById(id: number | undefined) {
    return id === undefined ? undefined : this.#users.get(id);
  }
}

// Step 7 without the cost of reading the user.
await serve(stepFolder('07-cheap-reads'), async ({ databaseUrl, secret, production }) => {
  const knex = await openDatabase(databaseUrl);
  const users = new UsersInMemory(knex);
  await prepareDemoAccount(users, production);
  const store = new SessionStore({ knex });
  const close = async () => {
    await store.close();
    await knex.destroy();
  };
  return { app: createApp({ store, users, secret }), close };
});
