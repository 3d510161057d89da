// npm start: the steps side by side, each its own real server, in one page.
import { closeOnSignal } from '#steps/shared/serve.ts';
import { readSettings, SettingsError } from '#steps/shared/settings.ts';
import { startLab } from './lab.ts';

try {
  const { port } = readSettings('lab', { PORT: process.env.PORT });
  const lab = await startLab({ port });
  closeOnSignal(lab.close);
  console.log(`The lab · ${lab.url} · open it in a browser; Ctrl-C ends it`);
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
