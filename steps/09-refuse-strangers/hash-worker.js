import bcrypt from 'bcryptjs';

// Runs in a worker thread, where it blocks no requests.

/** @param {[password: string, cost: number]} task */
export const hash = ([password, cost]) => bcrypt.hashSync(password, cost);

/** @param {[password: string, hash: string]} task */
export const compare = ([password, hash]) => bcrypt.compareSync(password, hash);
