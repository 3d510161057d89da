import type { Users } from '#database/users.ts';

/** The account that every step has while you learn. Its password is public. */
export const demo = { username: 'demo', password: 'demo-password' };

/**
 * Makes sure that the demo account exists in development. In production nobody can log in with its public
 * password, even if the database has the account; no account is deleted.
 */
export async function prepareDemoAccount(users: Users, production: boolean): Promise<void> {
  if (production) users.refuse(demo);
  else if (!(await users.find(demo.username))) await users.add(demo);
}
