import * as shared from '#database/users.ts';
import { inTime } from './in-time.ts';

/** The users table in a database that may fail: no query takes longer than a request may wait. */
export class Users extends shared.Users {
  protected override run<T>(query: PromiseLike<T>): Promise<T> {
    return inTime(query);
  }
}
