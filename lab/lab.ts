import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import express, { type RequestHandler, type Response, Router } from 'express';
import { answerErrors, HttpError } from '#steps/shared/errors.ts';
import { contentSecurityPolicy, pageFolder } from '#steps/shared/page.ts';
import { address, closeServer, listen } from '#steps/shared/serve.ts';
import { steps } from '#tools/steps.ts';
import { makeDatabaseFolder } from './databases.ts';
import { door } from './door.ts';
import { ownOrigin } from './own-origin.ts';
import { StepRunner } from './step-runner.ts';

/** The steps that run from the beginning; the others when they are asked for. */
const FIRST_ACT = 4;

const labPageFolder = join(import.meta.dirname, 'page');

export interface Lab {
  url: string;
  /** Stops the steps, then the lab, and deletes its databases. */
  close(): Promise<void>;
}

/**
 * Serves the lab, on this machine only, and starts the steps while the page is already there.
 *
 * Its databases lie in a temporary folder: each lab begins empty, and the databases of the steps that
 * the reader started by hand stay as they are.
 *
 * @param where.port 0 is any free port.
 * @throws {SettingsError} when the port is in use.
 */
export async function startLab({ port }: { port: number }): Promise<Lab> {
  const folder = await makeDatabaseFolder();
  const watchers = new Set<Response>();
  const runners = steps.map(
    (step) => new StepRunner(step, `file:${join(folder, `${step}.sqlite3`)}`, publish),
  );

  function states(): string {
    return JSON.stringify(runners.map(({ state }) => state));
  }

  function publish(): void {
    for (const watcher of watchers) watcher.write(`data: ${states()}\n\n`);
  }

  /** `GET /lab/events`: the state of all steps, now and whenever it changes (Server-Sent Events). */
  const watch: RequestHandler = (_req, res) => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    res.write(`data: ${states()}\n\n`);
    watchers.add(res);
    res.once('close', () => watchers.delete(res));
  };

  const app = express();
  app.disable('x-powered-by').enable('strict routing');
  app.use(ownOrigin, protect);
  app.get('/lab/events', watch);
  app.use('/lab/steps', controls(runners));
  for (const runner of runners) app.use(`/${runner.state.step}`, door(runner));
  // At the paths that the files have in the project: so their imports of each other hold in both places.
  app.use('/steps/shared/page', express.static(pageFolder, { index: false }));
  app.use('/lab/page', express.static(labPageFolder, { index: false }));
  app.get('/', (_req, res) => res.sendFile(join(labPageFolder, 'index.html')));
  app.use(answerErrors);

  let server: Awaited<ReturnType<typeof listen>>;
  try {
    server = await listen(app, { port, host: '127.0.0.1' });
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
  for (const runner of runners.slice(0, FIRST_ACT)) void runner.start();

  return {
    url: address(server),
    close: async () => {
      for (const watcher of watchers) watcher.end();
      watchers.clear();
      await Promise.all([
        closeServer(server),
        ...runners.map((runner) => runner.end('SIGTERM')), // after a start that is going on
      ]);
      await rm(folder, { recursive: true });
    },
  };
}

/** The page may load what lies here, ask this server, and nothing else. */
const protect: RequestHandler = (_req, res, next) => {
  res.set({
    'Content-Security-Policy': contentSecurityPolicy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  next();
};

/**
 * `POST /lab/steps/01-in-memory/restart`: answers 204 once it is done; also `crash` and `start`.
 * A crash leaves the step down, so that one can look at it. `day` lets a day pass for the step, and
 * answers 200 with how many sessions it had before and after: `{"before": 1, "after": 0}`. `break` takes
 * the table of the sessions away, and `mend` gives it back.
 */
function controls(runners: StepRunner[]): Router {
  const actions: Record<string, (runner: StepRunner) => Promise<unknown>> = {
    start: (runner) => runner.start(),
    crash: (runner) => runner.end('SIGKILL'),
    day: (runner) => runner.passDay(),
    break: (runner) => runner.setBroken(true),
    mend: (runner) => runner.setBroken(false),
    restart: async (runner) => {
      const ended = runner.end('SIGTERM');
      await Promise.all([ended, runner.start()]); // waits for its turn
    },
  };
  return Router().post('/:step/:action', async (req, res) => {
    const runner = runners.find(({ state }) => state.step === req.params.step);
    const action = Object.hasOwn(actions, req.params.action) && actions[req.params.action];
    if (!runner || !action) throw new HttpError(404, 'The lab has no such step or action.');
    const found = await action(runner);
    if (found) res.json(found);
    else res.status(204).end();
  });
}
