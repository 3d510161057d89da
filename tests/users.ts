import { Users } from '#database/users.ts';
import { temporaryDatabase } from './temporary.ts';

/** The users of a new database, which ends with the test. Hashing is cheap. */
export async function emptyUsers(options: { bcryptCost?: number } = { bcryptCost: 4 }) {
  return new Users(await temporaryDatabase(), options);
}
