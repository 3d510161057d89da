import { onTestFinished } from 'vitest';
import { run } from '#tools/processes.ts';

/** Why there can be no other networks on this machine, or an empty string. */
export const withoutNetworks =
  process.getuid?.() === 0 &&
  (await run('unshare', ['--net', 'true'])).code === 0 &&
  (await run('ip', ['-V'])).code === 0
    ? ''
    : 'needs root, and ip: apt-get install iproute2';

type Machine = 'proxy' | 'one' | 'two';

/**
 * Three machines in network namespaces, and this one, all in one subnet, until the test has finished. The switch between
 * them is part of the proxy's, so no firewall of this machine is in the way.
 */
export async function makeNetwork() {
  const subnet = `198.18.${process.pid % 256}`; // for tests of networks: RFC 2544
  const address = { proxy: `${subnet}.10`, one: `${subnet}.11`, two: `${subnet}.12` };
  const database = `${subnet}.2`;
  const host = `kli${process.pid}`;
  const nameOf = (machine: Machine) => `kli-${process.pid}-${machine}`;
  const proxy = nameOf('proxy');
  for (const machine of ['proxy', 'one', 'two'] as const) {
    onTestFinished(async () => {
      await run('ip', ['netns', 'del', nameOf(machine)]);
    });
    await ip(`netns add ${nameOf(machine)}`);
  }
  await ip(`-n ${proxy} link add switch type bridge`);
  await ip(`-n ${proxy} addr add ${address.proxy}/24 dev switch`);
  await ip(`-n ${proxy} link set switch up`);
  await ip(`link add ${host} type veth peer name to-host netns ${proxy}`);
  await ip(`addr add ${subnet}.1/24 dev ${host}`);
  await ip(`addr add ${database}/24 dev ${host}`);
  await ip(`link set ${host} up`);
  for (const machine of ['one', 'two'] as const) {
    const name = nameOf(machine);
    await ip(`-n ${name} link add eth0 type veth peer name to-${machine} netns ${proxy}`);
    await ip(`-n ${name} addr add ${address[machine]}/24 dev eth0`);
    await ip(`-n ${name} link set eth0 up`);
  }
  for (const port of ['to-host', 'to-one', 'to-two']) {
    await ip(`-n ${proxy} link set ${port} master switch up`);
  }
  return {
    address,
    /** The address of this machine that the others use for its database. */
    database,
    /** What runs a command on a machine. */
    on: (machine: Machine) => ['ip', 'netns', 'exec', nameOf(machine)],
    /** Plugs or unplugs the cable of a machine. */
    setCable: (machine: 'one' | 'two', isIn: boolean) =>
      ip(`-n ${proxy} link set to-${machine} ${isIn ? 'up' : 'down'}`),
    /** Loses what a machine sends to the database, or lets it through. */
    setDatabase: (machine: 'one' | 'two', isThere: boolean) =>
      ip(`-n ${nameOf(machine)} route ${isThere ? 'del' : 'add'} blackhole ${database}/32`),
  };
}

async function ip(command: string): Promise<void> {
  const { code, stderr } = await run('ip', command.split(' '));
  if (code !== 0) throw new Error(`ip ${command}: ${stderr}`);
}
