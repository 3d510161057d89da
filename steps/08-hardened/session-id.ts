import { createHash } from 'node:crypto';

// The attack: someone has read the sessions table, from a backup for example, and knows the secret. With the ids in it,
// they could make a valid cookie for every session.

/** @returns the id that the database stores. Nobody can work out the session id from it. */
export function storedId(sid: string): string {
  return createHash('sha256').update(sid).digest('base64url');
}
