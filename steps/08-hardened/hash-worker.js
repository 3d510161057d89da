import bcrypt from 'bcryptjs';

// Runs in a thread of its own, where it may take as long as it takes.

/** @param {[password: string, cost: number]} task */
export const hash = ([password, cost]) => bcrypt.hashSync(password, cost);

/** @param {[password: string, hash: string]} task */
export const compare = ([password, hash]) => bcrypt.compareSync(password, hash);
