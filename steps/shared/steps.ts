/** The title of each step, by the name of its folder. */
export const titles: Record<string, string> = {
  '01-in-memory': 'Sessions in memory',
  '02-pruned-memory': 'Sessions in memory that is pruned',
  '03-knex-sqlite': 'Sessions in SQLite, through Knex',
  '04-minimal-payload': 'Sessions that hold one id',
  '05-durable': 'Sessions that outlast a failing database',
  practice: 'Your own step', // what npm run practice makes
};
