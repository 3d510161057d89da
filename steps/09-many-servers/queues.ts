import { Queue } from '#steps/06-logout-wins/queue.ts';

/** Runs the work on each session in order, and the work on different sessions concurrently. */
export class Queues {
  readonly #queues = new Map<string, { queue: Queue; last: Promise<unknown> }>();

  /** @returns what the work returns. */
  run<T>(sid: string, work: () => Promise<T>): Promise<T> {
    const { queue } = this.#queues.get(sid) ?? { queue: new Queue() };
    const done = queue.run(work);
    const last = done
      .catch(() => {}) // the caller gets this error from `done`
      .then(() => {
        if (this.#queues.get(sid)?.last === last) this.#queues.delete(sid);
      });
    this.#queues.set(sid, { queue, last });
    return done;
  }

  /** Waits for all work queued so far. */
  async settled(): Promise<void> {
    await Promise.all([...this.#queues.values()].map(({ last }) => last));
  }
}
