import { once } from 'node:events';
import { request } from 'node:http';
import * as https from 'node:https';
import type { Response } from 'supertest';
import { expect } from 'vitest';

/**
 * Sends a request, with headers that a browser would not let a page choose.
 *
 * @param more such as an agent that keeps connections open; by default, the request opens its own connection.
 * @returns the status of the response, once all of it has arrived.
 */
export async function send(
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body = '',
  more: https.RequestOptions = {},
): Promise<number> {
  const open = url.startsWith('https:') ? https.request : request;
  const sent = open(url, { agent: false, ...more, method, headers }).end(body);
  const [response] = await once(sent, 'response');
  await once(response.resume(), 'end');
  return response.statusCode;
}

/** @returns the header that sets the session cookie, without those of other cookies. */
export function sessionCookieOf({ headers }: Response, name = 'sid'): string {
  const cookies: string[] = [headers['set-cookie'] ?? []].flat();
  return cookies.find((cookie) => cookie.startsWith(`${name}=`)) ?? '';
}

/** Waits until a server no longer accepts connections. */
export async function untilRefused(url: string): Promise<void> {
  const refusal = () => send('GET', url).catch((error) => error.code);
  await expect.poll(refusal, { interval: 10, timeout: 5000 }).toBe('ECONNREFUSED');
}
