import { startWaiting, TimeoutError } from '#steps/05-failing-database/in-time.ts';

/** Runs one task at a time, in the order in which they were queued. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what the work returns. It is skipped if its caller has given up before its turn. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const timeLeft = startWaiting();
    const turn = this.#last.then(() => {
      if (timeLeft() > 0) return work();
      throw new TimeoutError('The database was busy with earlier work.');
    });
    this.#last = turn.catch(() => {}); // a failure must not fail the work that follows
    return turn;
  }
}
