import { expect, test } from 'vitest';
import { ada, Browser } from '#tools/browser.ts';
import { startServer } from '../spawn.ts';
import { stepsWithStore } from '../store-of-step.ts';
import { temporaryEnvironment } from '../temporary.ts';

test.each(stepsWithStore)(
  'three servers of %s start at once on an empty database, and share their sessions',
  async (step) => {
    const environment = await temporaryEnvironment();
    const start = () => startServer(step, environment);
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
