import express from 'express';
import { z } from 'zod';
import { developmentSecret, SettingsError } from '#steps/shared/settings.ts';

// The attacks: a secret so short that it can be guessed; an attacker's domain name for this server; a client that
// chooses its own address with X-Forwarded-For.

const MINUTE = 60 * 1000; // in milliseconds
const MINUTES =
  'IDLE_TIMEOUT, ABSOLUTE_TIMEOUT and REMEMBER_TIMEOUT must be numbers of minutes, from 1 to 525600 (a year).';
const minutes = z.coerce.number(MINUTES).min(1, MINUTES).max(525_600, MINUTES);
const HOSTS =
  'ALLOWED_HOSTS must list host names without a port, such as shop.example, separated by commas.';
const list = z.string().transform((text) => text.split(',').map((item) => item.trim()));

const environment = z.object({
  SESSION_SECRET: list,
  ALLOWED_HOSTS: list
    .transform((hosts) => hosts.map((host) => host.toLowerCase()))
    .refine((hosts) => hosts.every((host) => /^[a-z0-9.-]+$/.test(host)), HOSTS)
    .optional(),
  TRUST_PROXY: list.optional(),
  IDLE_TIMEOUT: minutes.default(30),
  ABSOLUTE_TIMEOUT: minutes.default(12 * 60),
  REMEMBER_TIMEOUT: minutes.default(30 * 24 * 60),
});

/** The settings that protect sessions. Lists in environment variables are separated by commas. */
export interface Protection {
  /** The first one signs cookies, all verify them. */
  secrets: string[];
  production: boolean;
  /** The host names that are answered. Without a list: in production all, in development this machine's own. */
  hosts?: string[] | undefined;
  /** The proxies whose X-Forwarded headers count, by address, subnet, or a word such as loopback. */
  trustProxy: string[];
  /** In milliseconds. */
  idleTimeout: number;
  /** In milliseconds. */
  absoluteTimeout: number;
  /** In milliseconds: the absolute timeout of a session that is remembered. */
  rememberTimeout: number;
}

/** @throws {SettingsError} when a variable is invalid, or one of the secrets is too short for production. */
export function readProtection(
  variables: NodeJS.ProcessEnv,
  { secret, production }: { secret: string; production: boolean },
): Protection {
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  const { data, error } = environment.safeParse({ ...given, SESSION_SECRET: secret });
  if (!data) throw new SettingsError(error.issues[0]?.message);
  if (!data.SESSION_SECRET.every((secret) => isSecret(secret, production))) {
    throw new SettingsError(
      'SESSION_SECRET must list random secrets of at least 32 characters each, separated by commas.',
    );
  }
  if (!isProxyList(data.TRUST_PROXY ?? [])) {
    throw new SettingsError(
      'TRUST_PROXY must list IP addresses, subnets, or words such as loopback, separated by commas.',
    );
  }
  return {
    secrets: data.SESSION_SECRET,
    production,
    hosts: data.ALLOWED_HOSTS,
    // Behind a proxy, only the proxy knows who the client is. In development there is none.
    trustProxy: data.TRUST_PROXY ?? (production ? ['loopback'] : []),
    idleTimeout: data.IDLE_TIMEOUT * MINUTE,
    absoluteTimeout: data.ABSOLUTE_TIMEOUT * MINUTE,
    rememberTimeout: data.REMEMBER_TIMEOUT * MINUTE,
  };
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
