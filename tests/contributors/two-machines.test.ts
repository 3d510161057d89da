import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { temporaryEnvironment } from '../temporary.ts';
import { forward } from './forward.ts';
import { makeNetwork, withoutNetworks } from './network.ts';
import { startSite, withoutNginx } from './nginx.ts';

// A server of step 10 on each of two machines, nginx on a third, and PostgreSQL on this one.
test('two machines behind a third: no GET fails when one stops, is replaced, or loses the database', async ({
  skip,
  annotate,
}) => {
  const missing = withoutNginx || withoutNetworks;
  skip(missing !== '', missing);
  const network = await makeNetwork();
  const { DATABASE_URL } = await temporaryEnvironment('postgresql');
  const { url } = await forward(DATABASE_URL, network.database); // it listens only on 127.0.0.1
  const environment = { DATABASE_URL: url, TRUST_PROXY: network.address.proxy };
  const places = (['one', 'two'] as const).map((machine) => ({
    address: `${network.address[machine]}:3000`,
    within: network.on(machine),
  }));
  const proxy = { address: network.address.proxy, within: network.on('proxy') };
  const site = await startSite('10-many-servers', environment, places, proxy);
  const { nginx, restart, startLoad } = site;
  const load = await startLoad();
  await untilBothAnswer();

  await phase('One machine stops', 'GET', async () => {
    await network.setCable('one', false);
    await nginx.untilLogged(/ 504, 200$/);
    await network.setCable('one', true);
  });
  await phase('Both are replaced', '', async () => {
    for (const [index, { address }] of places.entries()) {
      await setDown(address, true);
      await restart(index);
      await setDown(address, false);
    }
  });
  await phase('One loses the database', 'GET', async () => {
    await network.setDatabase('one', false);
    for (let time = 0; time < 3; time++) await nginx.untilLogged(/GET .* 503, 200$/);
    await network.setDatabase('one', true);
  });

  /** Lets something happen, and says what the users saw meanwhile. @param method of requests that must not fail; '' for all. */
  async function phase(name: string, method: string, happen: () => Promise<void>) {
    const [sent, logged] = [load.sent.length, (await nginx.requests()).length];
    await happen();
    await untilBothAnswer();
    await load.answered();
    const failed = load.failed('', sent).map(({ method, outcome }) => `${method} ${outcome}`);
    const times = (await nginx.requests(logged)).map((line) => Number(line.split(' ')[2]));
    await annotate(
      `${name}: ${load.sent.length - sent} requests, of which ${failed.length} failed: ${failed}; ` +
        `the slowest took ${Math.max(...times)} s.`,
    );
    expect(load.failed(method, sent), name).toEqual([]);
  }

  /** Waits until both machines have answered that session. */
  async function untilBothAnswer(): Promise<void> {
    for (const { address } of places) {
      const escaped = address.replaceAll('.', '\\.');
      await nginx.untilLogged(new RegExp(`/api/me .* from ${escaped} 200$`));
    }
  }

  /** Tells nginx to send no more requests to a server, or to send them again. */
  async function setDown(address: string, isDown: boolean): Promise<void> {
    const text = await readFile(nginx.config, 'utf8');
    const line = new RegExp(`(server ${address} .*?)( down)?;`);
    await writeFile(nginx.config, text.replace(line, `$1${isDown ? ' down' : ''};`));
    nginx.reload();
  }
});
