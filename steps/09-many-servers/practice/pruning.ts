// Deletes expired rows. Of several that prune at once, one may wait for another.
export { Pruning } from '#steps/07-cheap-reads/pruning.ts';
