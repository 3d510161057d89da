import express from 'express';
import { z } from 'zod';
import { developmentSecret, SettingsError } from '#steps/shared/settings.ts';

// The attacks: a secret so short that it can be guessed; an attacker's domain name for this server; a client that
// chooses its own address with X-Forwarded-For.

const HOSTS =
  'ALLOWED_HOSTS must list host names without a port, such as shop.example, separated by commas.';
const PROXIES =
  'TRUST_PROXY must list IP addresses, subnets, or words such as loopback, separated by commas.';
const list = z.string().transform(listOf);

const environment = z.object({
  ALLOWED_HOSTS: list
    .transform((hosts) => hosts.map((host) => host.toLowerCase()))
    .refine((hosts) => hosts.every((host) => /^[a-z0-9.-]+$/.test(host)), HOSTS)
    .optional(),
  TRUST_PROXY: list.refine(isProxyList, PROXIES).optional(),
});

/** The settings that protect sessions. */
export interface Protection {
  production?: boolean;
  /** The host names that are answered. Without a list: in production all, in development this machine's own. */
  hosts?: string[] | undefined;
  /** The proxies whose X-Forwarded headers count, by address, subnet, or a word such as loopback. */
  trustProxy?: string[];
}

/** @returns the items of a list in an environment variable, which are separated by commas. */
export function listOf(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}

/** @throws {SettingsError} when a variable is invalid, or one of the secrets is too short for production. */
export function readProtection(
  variables: NodeJS.ProcessEnv,
  { secret, production }: { secret: string; production: boolean },
): Protection {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const { data, error } = environment.safeParse(given);
  if (!data) throw new SettingsError(error.issues[0]?.message);
  if (!listOf(secret).every((secret) => isSecret(secret, production))) {
    throw new SettingsError(
      'SESSION_SECRET must list random secrets of at least 32 characters each, separated by commas.',
    );
  }
  // Behind a proxy, only the proxy knows who the client is. In development there is none.
  const trustProxy = data.TRUST_PROXY ?? (production ? ['loopback'] : []);
  return { production, hosts: data.ALLOWED_HOSTS, trustProxy };
}

function isSecret(secret: string, production: boolean): boolean {
  return production ? secret.length >= 32 && secret !== developmentSecret : secret !== '';
}

function isProxyList(proxies: string[]): boolean {
  if (proxies.some((proxy) => /^\d+$/.test(proxy))) return false; // not a number of proxies
  try {
    express().set('trust proxy', proxies);
    return true;
  } catch {
    return false;
  }
}
