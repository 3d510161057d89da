import * as step07 from '#steps/07-cheap-reads/pruning.ts';

/** Deletes expired rows. Several servers can prune at once, because each skips rows that another has locked. */
export class Pruning extends step07.Pruning {
  protected override async deleteBatch(limit: number): Promise<number> {
    const { rowCount } = await this.knex.raw(
      `delete from sessions where sid in (
         select sid from sessions where expired <= now() limit ? for update skip locked)`,
      [limit],
    );
    return rowCount;
  }
}
