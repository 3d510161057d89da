// npm start: the steps side by side, each its own real server, in one page.
import { readSettings, SettingsError } from '#steps/shared/settings.ts';
import { startLab } from './lab.ts';

try {
  const { port } = readSettings('lab', { PORT: process.env.PORT });
  const lab = await startLab({ port });
  console.log(`The lab · ${lab.url} · open it in a browser; Ctrl-C ends it`);
  const stop = async () => {
    process.once('SIGINT', () => process.exit(1)).once('SIGTERM', () => process.exit(1));
    await lab.close();
    process.exit(0);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
