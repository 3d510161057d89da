import { Agent, type RequestOptions, request } from 'node:http';

/**
 * @param work is given the number of the worker, from 0.
 * @param duration in milliseconds.
 * @returns how often some work was done per second, by so many workers at once.
 */
export async function rate(
  work: (worker: number) => Promise<unknown>,
  atOnce: number,
  duration = 1000,
): Promise<number> {
  const begun = performance.now();
  let done = 0;
  const repeat = async (_: unknown, worker: number) => {
    for (; performance.now() < begun + duration; done++) await work(worker);
  };
  await Promise.all(Array.from({ length: atOnce }, repeat));
  return (done * 1000) / (performance.now() - begun);
}

const agent = new Agent({ keepAlive: true }); // each worker keeps its connection

/** Requests with as little work as possible: client and server share the processors. */
export function send(url: string, options: RequestOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, ...options }, (response) => {
      if (response.statusCode === 200) response.resume().on('end', resolve);
      else reject(new Error(`A request got a ${response.statusCode}.`));
    });
    sent.on('error', reject).end();
  });
}
