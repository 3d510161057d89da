/** What a session's payload can reveal about its user. Only the id is needed. */
export type UserData = 'password hash' | 'user name' | 'user id';

/** One piece of user data, and its path in the payload: `['user', 'password_hash']`. */
export interface Found {
  what: UserData;
  path: string[];
}

/**
 * Finds what a session's payload reveals about its user.
 *
 * @param payload the session as the store holds it, parsed.
 * @returns each thing found, in the order of the payload.
 */
export function findUserData(payload: unknown, path: string[] = []): Found[] {
  if (typeof payload === 'object' && payload !== null) {
    return Object.entries(payload).flatMap(([key, value]) => findUserData(value, [...path, key]));
  }
  const what = recognize(payload, path);
  return what ? [{ what, path }] : [];
}

function recognize(value: unknown, path: string[]): UserData | undefined {
  const key = path.at(-1) ?? '';
  if (typeof value === 'string' && /^\$2[aby]\$\d\d\$.{53}$/.test(value)) return 'password hash';
  if (typeof value === 'string' && /^(user)?name$/i.test(key)) return 'user name';
  if (/^user_?id$/i.test(key) || (key === 'id' && path.at(-2) === 'user')) return 'user id';
  return undefined;
}
