// Preloaded into the servers that tests spawn: they hash with the lowest cost, to save time.
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import bcrypt from 'bcryptjs';

// From step 08 on, a step hashes with a hashing.ts: its own, beside its server.ts, or that of step 08.
const script = process.argv[1] ?? '';
const own = join(script, '../hashing.ts');
const shared = join(script, '../../08-hardened/hashing.ts');
const isLater = basename(dirname(script)) > '08-hardened' && existsSync(shared);
const path = existsSync(own) ? own : isLater && shared;
const hashing = path ? (await import(path)).hashing : bcrypt;
const { hash } = hashing;
hashing.hash = (password: string) => hash(password, 4);
