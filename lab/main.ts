// npm start: the steps side by side, each its own real server, in one page.
import { closeOnSignal, explainFailure } from '#steps/shared/serve.ts';
import { readSettings } from '#steps/shared/settings.ts';
import { startLab } from './lab.ts';

await explainFailure(async () => {
  const { port } = readSettings('lab', { PORT: process.env.PORT });
  const lab = await startLab({ port });
  closeOnSignal(lab.close, ['SIGINT', 'SIGTERM', 'SIGHUP']); // the last: the terminal was closed
  console.log(`The lab · ${lab.url} · open it in a browser; Ctrl-C ends it`);
});
