import { once } from 'node:events';
import { request } from 'node:http';
import { expect } from 'vitest';

/**
 * Sends a request on a connection of its own, with headers that a browser would not let a page choose.
 *
 * @returns the status of the response, once all of it has arrived.
 */
export async function send(
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<number> {
  const sent = request(url, { method, headers, agent: false }).end(body);
  const [response] = await once(sent, 'response');
  await once(response.resume(), 'end');
  return response.statusCode;
}

/** Waits until a server accepts no connection any more. */
export async function untilRefused(url: string): Promise<void> {
  const refusal = () => send('GET', url).catch((error) => error.code);
  await expect.poll(refusal, { interval: 10, timeout: 5000 }).toBe('ECONNREFUSED');
}
