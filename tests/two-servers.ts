// Runs any step as two server processes that share one address, as step 09 does. STEP is the name of the step.
import cluster from 'node:cluster';
import { Servers } from '#steps/09-many-servers/servers.ts';

const { STEP: step } = process.env;

if (cluster.isPrimary) {
  const url = await new Servers(2, process.env).start();
  console.log(`${step} · two servers · ${url} · process ${process.pid}`);
} else await import(`../steps/${step}/server.ts`);
