import type { Users } from '#database/users.ts';

/** The account that every step has while you learn. Its password is public. */
export const demo = { username: 'demo', password: 'demo-password' };

/**
 * Makes sure that the demo account exists; in production, that nobody can log in with it: a database
 * that was used for trying things out loses the account, unless it has a password of its own.
 */
export async function prepareDemoAccount(users: Users, production: boolean): Promise<void> {
  if (production) {
    if (await users.verify(demo)) await users.remove(demo.username);
  } else if (!(await users.find(demo.username))) {
    await users.add(demo);
  }
}
