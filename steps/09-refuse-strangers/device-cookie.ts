import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Request, Response } from 'express';
import type { User } from '#database/users.ts';
import { cookiesOf } from './cookie.ts';

// The attack: someone enters wrong passwords for your account all day, so that its limit locks you out. A browser
// in which you have logged in before has a limit of its own.
// Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".

const USERS = 5; // of one browser
const YEAR = 365 * 24 * 60 * 60 * 1000; // in milliseconds

export class DeviceCookie {
  readonly #name: string;
  readonly #secure: boolean;
  readonly #secrets: string[];

  constructor({ production, secrets }: { production: boolean; secrets: string[] }) {
    this.#name = production ? '__Host-device' : 'device';
    this.#secure = production;
    this.#secrets = secrets;
  }

  /** Gives this browser a cookie which proves that the user has logged in here. It does not log anybody in. */
  remember(req: Request, res: Response, user: User): void {
    const id = this.find(req, user) ?? randomBytes(16).toString('base64url');
    const proof = `${id}.${sign(id, user, this.#secrets[0] ?? '')}`;
    const others = this.#proofs(req).filter((other) => !other.startsWith(`${id}.`));
    const value = [proof, ...others].slice(0, USERS).join('~');
    const attributes = { httpOnly: true, sameSite: 'lax', secure: this.#secure } as const;
    res.cookie(this.#name, value, { ...attributes, path: '/', maxAge: YEAR });
  }

  /** @returns an id of this browser, or undefined if the user has never logged in here with the current password. */
  find(req: Request, user: User | undefined): string | undefined {
    const proofs = this.#proofs(req).map((proof) => proof.split('.'));
    const isGenuine = ([id = '', signature = '']: string[]) =>
      this.#secrets.some((secret) => user && isEqual(signature, sign(id, user, secret)));
    return proofs.find(isGenuine)?.[0];
  }

  /** The cookie has one proof for each user of the browser, the latest first. */
  #proofs(req: Request): string[] {
    const [value = ''] = cookiesOf(req, this.#name);
    return value.split('~').slice(0, USERS);
  }
}

/** The password hash ties the cookie to this user and password: a new password makes old cookies worthless. */
function sign(id: string, { password_hash }: User, secret: string): string {
  const text = `device.${id}.${password_hash}`;
  return createHmac('sha256', secret).update(text).digest('base64url');
}

function isEqual(a: string, b: string): boolean {
  const [first, second] = [Buffer.from(a), Buffer.from(b)];
  return first.length === second.length && timingSafeEqual(first, second);
}
