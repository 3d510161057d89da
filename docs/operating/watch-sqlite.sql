-- What to watch in the database of step 9: sqlite3 -readonly shop.sqlite3 < watch-sqlite.sql
with clock (now) as (select strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
select 'live sessions', count(*) from sessions, clock where expired > now
union all
select 'expired rows', count(*) from sessions, clock where expired <= now
union all
select 'seconds since the oldest expired', coalesce(unixepoch(now) - unixepoch(min(expired)), 0)
  from sessions, clock where expired <= now
union all
select 'limits reached', count(*) from attempts, clock where ends > now and hits >=
  case when key like 'address %' then 50 when key like 'register %' then 20 else 10 end
union all
select 'bytes on disk', page_count * page_size from pragma_page_count, pragma_page_size;
