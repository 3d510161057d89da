import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import express, { type RequestHandler, type Response, Router } from 'express';
import { answerErrors, createError } from '#steps/shared/errors.ts';
import { ownPageOnly } from '#steps/shared/own-page-only.ts';
import { pageFolder, pageHeaders } from '#steps/shared/page.ts';
import { closeServer, listen, urlOf } from '#steps/shared/serve.ts';
import { visits } from '#tools/measure.ts';
import { columns } from '#tools/outcomes.ts';
import { stepNames } from '#tools/steps.ts';
import { makeDatabaseFolder } from './databases.ts';
import { stepProxy } from './step-proxy.ts';
import { StepRunner } from './step-runner.ts';

const labPageFolder = join(import.meta.dirname, 'page');

/**
 * Serves the lab, on this machine only. The page works before the steps have started.
 *
 * Its databases are in a temporary folder: each lab begins empty, and the databases of steps that you
 * started by hand stay as they are.
 *
 * @param where.port 0 is any free port.
 * @returns `close`, which stops the steps, then the lab, and deletes its databases.
 * @throws {SettingsError} when the port is in use.
 */
export async function startLab({ port }: { port: number }) {
  const folder = await makeDatabaseFolder();
  const watchers = new Set<Response>();
  let isClosing = false;
  const startInTurn = limitConcurrency(async (runner) => {
    if (!isClosing) await runner.start();
  });
  const runners = stepNames.map((step) => new StepRunner(step, join(folder.path, step), publish));

  /** The id tells the page of one lab from that of the next. */
  function states(): string {
    return `data: ${JSON.stringify(runners.map(({ state }) => state))}\nid: ${process.pid}\n\n`;
  }

  function publish(): void {
    for (const watcher of watchers) watcher.write(states());
  }

  /** `GET /lab/events`: the state of all steps, now and whenever it changes (Server-Sent Events). */
  const watch: RequestHandler = (_req, res) => {
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    res.write(states());
    watchers.add(res);
    res.once('close', () => watchers.delete(res));
  };

  const app = express();
  app.disable('x-powered-by').enable('strict routing');
  app.use(ownPageOnly, (_req, res, next) => {
    res.set(pageHeaders);
    next();
  });
  app.get('/lab/events', watch);
  app.get('/lab/columns', (_req, res) => res.json(columns));
  app.use('/lab/steps', controls(runners, startInTurn));
  for (const runner of runners) app.use(`/${runner.state.step}`, stepProxy(runner));
  // At the same paths as in the project, so the files can import each other.
  app.use('/steps/shared/page', express.static(pageFolder, { index: false }));
  app.use('/lab/page', express.static(labPageFolder, { index: false }));
  app.get('/', (_req, res) => res.sendFile(join(labPageFolder, 'index.html')));
  app.use(answerErrors);

  const server = await listen(app, { port, host: '127.0.0.1' });
  for (const runner of runners) void startInTurn(runner);

  return {
    url: urlOf(server),
    async close() {
      isClosing = true; // start no more
      for (const watcher of watchers) watcher.end();
      watchers.clear();
      await Promise.all([closeServer(server), ...runners.map((runner) => runner.remove())]);
      await folder.remove();
    },
  };
}

type Start = (runner: StepRunner) => Promise<void>;

/** Starts as many steps at a time as there are processors; readers look at the first rows first. */
function limitConcurrency(start: Start): Start {
  const slots = Array.from({ length: Math.max(2, availableParallelism()) }, () =>
    Promise.resolve(),
  );
  return (runner) => {
    const started = Promise.resolve(slots.shift()).then(() => start(runner));
    slots.push(started);
    return started;
  };
}

/**
 * `POST /lab/steps/01-in-memory/restart` and the like: 200 once it is done, with the number of changes to the state.
 *
 * - `start`, `stop`, `restart`, `crash`. A crash leaves the step down, so you can look at it.
 * - `break` renames the sessions table, and `restore` renames it back.
 * - A column that `tools/measure.ts` can measure on a running server: the answer also has the outcome, such as
 *   `{"outcome": "deleted"}`, unless the server or its database is down.
 */
function controls(runners: StepRunner[], startInTurn: Start): Router {
  const measured = Object.entries(visits).map(
    ([column, visit]) => [column, (runner: StepRunner) => runner.measure(visit)] as const,
  );
  const actions: Record<string, (runner: StepRunner) => Promise<unknown>> = {
    ...Object.fromEntries(measured),
    start: startInTurn,
    stop: (runner) => runner.end('SIGTERM'),
    crash: (runner) => runner.end('SIGKILL'),
    break: (runner) => runner.setBroken(true),
    restore: (runner) => runner.setBroken(false),
    restart: (runner) => runner.end('SIGTERM').then(() => runner.start()),
  };
  return Router().post('/:step/:action', async (req, res) => {
    const runner = runners.find(({ state }) => state.step === req.params.step);
    const action = Object.hasOwn(actions, req.params.action) && actions[req.params.action];
    if (!runner || !action) throw createError(404, 'The lab has no such step or action.');
    const outcome = await action(runner);
    res.json({ outcome, changes: runner.state.changes });
  });
}
