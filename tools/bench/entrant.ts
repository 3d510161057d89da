import { median } from '../median.ts';

/** One of those that are compared. */
export interface Entrant {
  name: string;
  storage: string;
  /** What it does as often as it can, and how often per second it did that, round by round. */
  works: { title: string; run(worker: number): Promise<unknown>; rates: number[] }[];
  /** What was measured once, by its title. */
  costs: Record<string, string>;
}

/** What is to be done at the end: the last first. */
export type Ends = (() => Promise<unknown>)[];

/** @returns a ratio of medians, with the lowest and the highest ratio of a single round. */
export function compare(rates: number[] = [], base: number[] = []) {
  const ratios = rates.map((rate, round) => rate / (base[round] ?? 0));
  const ratio = median(rates) / median(base);
  return { ratio, low: Math.min(...ratios), high: Math.max(...ratios) };
}
