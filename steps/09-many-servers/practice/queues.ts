import { Queue } from '#steps/06-logout-wins/queue.ts';

/** Runs all work in order, whatever session it is on. */
export class Queues {
  readonly #queue = new Queue();

  /** @returns what the work returns. */
  run<T>(_sid: string, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(work);
  }

  /** Waits for all work queued so far. */
  settled(): Promise<void> {
    return this.#queue.run(async () => {});
  }
}
