import { createHmac } from 'node:crypto';
import request from 'supertest';
import type { Credentials } from '#database/users.ts';
import { demo } from '#steps/shared/demo-account.ts';

/** The user whom the tools and most tests register. */
export const ada: Credentials = { username: 'ada', password: 'correct horse' };

/** What a browser does for sessions: it keeps cookies, and sends them with each request. */
export class Browser {
  #agent: ReturnType<typeof request.agent>;

  /** @param url where the server is, such as `http://127.0.0.1:3000`. @param options for its HTTPS. */
  constructor(url: string, options: { rejectUnauthorized?: boolean } = {}) {
    this.#agent = request.agent(url, options);
  }

  /** Continues at another address with the same cookies: a restarted server has a new port. */
  moveTo(url: string): void {
    const { jar } = this.#agent;
    this.#agent = request.agent(url);
    this.#agent.jar = jar;
  }

  get(path: string) {
    return this.#agent.get(path);
  }

  /** Sends a body as JSON. */
  post(path: string, body?: object) {
    return this.#agent.post(path).send(body);
  }

  delete(path: string, body?: object) {
    return this.#agent.delete(path).send(body);
  }

  register(credentials: Credentials) {
    return this.post('/api/register', credentials);
  }

  /** Logs in, by default as `demo`. */
  logIn(credentials: Credentials = demo) {
    return this.post('/api/login', credentials);
  }

  logOut() {
    return this.post('/api/logout');
  }

  /** @returns who the server says is logged in, or undefined when it asks for a login. */
  async whoAmI(): Promise<string | undefined> {
    const response = await this.get('/api/me');
    if (response.status === 401) return undefined;
    if (response.status !== 200) throw new Error(`/api/me answered ${response.status}.`);
    return response.body.username;
  }

  /** The cookie as the browser sends it, `sid=…`, for replaying it by hand; undefined when it has none. */
  get cookie(): string | undefined {
    const value = this.#agent.jar.getCookie('sid', {
      domain: '127.0.0.1',
      path: '/',
      secure: false,
      script: false,
    })?.value;
    return value && `sid=${value}`;
  }

  /** The session id in the cookie, between `s:` and the signature. */
  get sessionId(): string {
    const id = /^sid=s:([^.]+)\./.exec(decodeURIComponent(this.cookie ?? ''))?.[1];
    if (!id) throw new Error('The browser has no session cookie.');
    return id;
  }

  /** Puts a cookie into the browser, as an attacker might: `sid=…`. */
  plant(cookie: string): void {
    this.#agent.jar.setCookie(cookie, '127.0.0.1', '/');
  }
}

/** Requests `/api/me` with a cookie header of your own, which no browser rules apply to. */
export function replay(url: string, cookie: string) {
  return request(url).get('/api/me').set('Cookie', cookie);
}

/** @returns the cookie for a session id, signed as express-session does it. */
export function signedCookie(sessionId: string, secret: string): string {
  const signature = createHmac('sha256', secret).update(sessionId).digest('base64');
  return `sid=${encodeURIComponent(`s:${sessionId}.${signature.replace(/=+$/, '')}`)}`;
}
