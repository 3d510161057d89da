-- What to watch in the database of step 10: psql "$DATABASE_URL" -At -f watch-postgresql.sql
select 'live sessions', count(*) from sessions where expired > now() and ends > now()
union all
select 'expired rows', count(*) from sessions where expired <= now()
union all
select 'seconds since the oldest expired', coalesce(extract(epoch from now() - min(expired)), 0)::bigint
  from sessions where expired <= now()
union all
select 'limits reached', count(*) from attempts where ends > now() and hits >=
  case when key like 'address %' then 50 when key like 'register %' then 20 else 10 end
union all
select 'bytes on disk', pg_total_relation_size('sessions')
union all
select 'rows deleted', n_tup_del from pg_stat_user_tables where relname = 'sessions'
union all
select 'dead rows', n_dead_tup from pg_stat_user_tables where relname = 'sessions'
union all
select 'connections', count(*) from pg_stat_activity where datname = current_database();
