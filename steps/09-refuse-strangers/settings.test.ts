import { describe, expect, test } from 'vitest';
import { developmentSecret, SettingsError } from '#steps/shared/settings.ts';
import { readProtection } from './settings.ts';

const secret = 'a secret of more than thirty-two characters';

describe('a server that is given unsafe settings does not start', () => {
  test.each<[string, NodeJS.ProcessEnv, string]>([
    ['a short secret in the list', {}, `${secret},short`],
    ['an empty secret in the list', {}, `${secret},`],
    ['the public secret in the list', {}, `${secret},${developmentSecret}`],
    ['a number of proxies', { TRUST_PROXY: '1' }, secret],
    ['a proxy by name', { TRUST_PROXY: 'proxy.example' }, secret],
    ['a host with a port', { ALLOWED_HOSTS: 'shop.example:443' }, secret],
  ])('%s', (_what, environment, secret) => {
    const read = () => readProtection(environment, { secret, production: true });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(/^[A-Z_]+ must .*\.$/);
  });
});

describe('a server in production', () => {
  test('accepts valid lists of secrets, hosts and proxies', () => {
    const lists = { ALLOWED_HOSTS: 'Shop.example, www.shop.example', TRUST_PROXY: '192.0.2.1' };
    const secrets = `${secret}, another ${secret}`;
    expect(readProtection(lists, { secret: secrets, production: true })).toEqual({
      production: true,
      hosts: ['shop.example', 'www.shop.example'],
      trustProxy: ['192.0.2.1'],
    });
  });

  test('trusts a proxy on the same machine, and answers any host, unless it is told otherwise', () => {
    expect(readProtection({}, { secret, production: true })).toEqual({
      production: true,
      hosts: undefined,
      trustProxy: ['loopback'],
    });
  });
});

test('a server in development trusts no proxy, and needs no long secret', () => {
  expect(readProtection({}, { secret: 'short', production: false }).trustProxy).toEqual([]);
});
