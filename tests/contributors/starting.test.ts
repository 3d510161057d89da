import { expect, onTestFinished, test } from 'vitest';
import { readStep } from '#steps/shared/step.ts';
import { ada, Browser } from '#tools/browser.ts';
import { stepFolder } from '#tools/steps.ts';
import { makePostgresDatabase } from '../postgres.ts';
import { startServer } from '../spawn.ts';
import { stepsWithStore } from '../store-of-step.ts';
import { makeTestDatabase } from '../temporary.ts';

test.each(stepsWithStore)(
  'three servers of %s start at once on an empty database, and share their sessions',
  async (step) => {
    const isPostgres = readStep(stepFolder(step)).store === 'postgresql';
    const { url, remove } = await (isPostgres ? makePostgresDatabase(false) : makeTestDatabase());
    onTestFinished(remove);
    const start = () => startServer(step, { DATABASE_URL: url });
    const servers = await Promise.all([start(), start(), start()]);
    const [first, ...others] = servers.map(({ url }) => new Browser(url));
    await first?.register(ada);
    await first?.logIn(ada);
    for (const other of others) {
      other.plant(first?.cookie ?? '');
      expect(await other.whoAmI()).toBe(ada.username);
    }
  },
);
