import cluster, { type Address, type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

const DRAINING = 1000; // milliseconds for which a server that is being replaced still accepts connections
const STOP_TIMEOUT = 20_000; // milliseconds after which a server that does not stop is killed
const RETRY = 1000; // milliseconds before the next attempt, when a server could not start

/** Server processes that share one address. Each ends with this process, however that ends. */
export class Servers {
  readonly #number: number;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #running = new Set<Worker>();
  readonly #starting = new Set<Worker>();
  #replacing = Promise.resolve();
  #isStopping = false;

  /** @param environment of each server. */
  constructor(number: number, environment: NodeJS.ProcessEnv) {
    this.#number = number;
    this.#environment = { ...environment };
  }

  /** The process ids of the servers, for messages. */
  get processIds(): string {
    return [...this.#running].map(({ process }) => process.pid).join(', ');
  }

  /** Starts all servers. @returns the URL at which they listen. */
  async start(): Promise<string> {
    const start = () => this.#add().catch(() => process.exit(1)); // the server has said why
    // One before the others: if it cannot start, they cannot either, and one message is enough.
    const { address, port } = await start();
    await Promise.all(Array.from({ length: this.#number - 1 }, start));
    const host = address?.includes(':') ? `[${address}]` : address;
    return `http://${host}:${port}`;
  }

  /** Replaces all servers, one at a time, by new ones that run the code as it is now: a rolling deploy. */
  replace(): void {
    this.#replacing = this.#replacing.then(async () => {
      for (const old of [...this.#running]) {
        if (this.#isStopping) return;
        if (old.isDead()) continue; // another has taken its place already
        try {
          await this.#add();
        } catch {
          if (this.#isStopping) return;
          console.error('The new server did not start. The others continue as they are.');
          void this.#fill(); // if one of them ended meanwhile
          return;
        }
        await this.#retire(old);
      }
      console.log(`All servers are replaced: ${this.processIds}.`);
    });
  }

  /** Stops all servers: each finishes the requests in flight. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([...this.#running].map((worker) => this.#end(worker)));
  }

  /** Starts one more server, and waits until it listens. @throws when it ends first. */
  async #add(): Promise<Address> {
    const worker = cluster.fork(this.#environment);
    this.#running.add(worker);
    this.#starting.add(worker);
    const ended = once(worker, 'exit')
      .catch(() => {}) // the system could not start it
      .then(() => this.#running.delete(worker));
    const listening: Promise<Address[]> = once(worker, 'listening').catch(() => []);
    const [address] = await Promise.race([listening, ended.then(() => [])]);
    this.#starting.delete(worker);
    if (!address) throw new Error('The server ended before it listened.');
    void ended.then(() => this.#ended(worker));
    return address;
  }

  /** Starts another server when one has ended unexpectedly. */
  async #ended({ process: { pid, signalCode } }: Worker): Promise<void> {
    if (this.#isComplete) return;
    console.error(`Process ${pid} ended${signalCode ? ` (${signalCode})` : ''}; starting another.`);
    await this.#fill();
  }

  async #fill(): Promise<void> {
    while (!this.#isComplete) await this.#add().catch(() => pause(RETRY));
  }

  get #isComplete(): boolean {
    return this.#isStopping || this.#running.size >= this.#number;
  }

  /** Stops a server that has been replaced, without refusing a connection or cutting off a request. */
  async #retire(worker: Worker): Promise<void> {
    tell(worker, 'drain');
    await pause(DRAINING);
    await this.#end(worker);
  }

  async #end(worker: Worker): Promise<void> {
    if (worker.isDead()) return;
    const ended = once(worker, 'exit');
    // A server that is still starting would miss the message, and has nothing to finish.
    if (this.#starting.has(worker)) worker.process.kill();
    else tell(worker, 'stop');
    const deadline = setTimeout(() => {
      console.error(`Process ${worker.process.pid} did not stop, and was killed.`);
      worker.process.kill('SIGKILL');
    }, STOP_TIMEOUT);
    await ended;
    clearTimeout(deadline);
  }
}

function tell(worker: Worker, message: string): void {
  if (worker.isConnected()) worker.send(message, () => {}); // it may have ended a moment ago
}
