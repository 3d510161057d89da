import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';

/**
 * Passes connections on to a database, until the test has finished.
 *
 * @param at the address of this machine where it listens.
 * @returns the URL to use instead, and `moveTo` for another database.
 */
export async function forward(url: string, at = '127.0.0.1') {
  let { hostname, port } = new URL(url);
  const server = createServer((client) => {
    const database = connect(Number(port), hostname);
    client.on('error', () => database.destroy()).pipe(database);
    database.on('error', () => client.destroy()).pipe(client);
  }).listen(0, at);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const own = String(Object(server.address()).port);
  return {
    url: Object.assign(new URL(url), { hostname: at, port: own }).href,
    moveTo(other: string) {
      ({ hostname, port } = new URL(other));
    },
  };
}
