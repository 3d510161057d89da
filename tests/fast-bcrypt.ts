// Preloaded into the servers that tests spawn: they hash with the lowest cost, to save time.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import bcrypt from 'bcryptjs';

// From step 08 on, a step has a hashing.ts of its own, beside its server.ts.
const own = join(process.argv[1] ?? '', '../hashing.ts');
const hashing = existsSync(own) ? (await import(own)).hashing : bcrypt;
const { hash } = hashing;
hashing.hash = (password: string) => hash(password, 4);
