-- For operators. Each is cheap at any size of the tables: what is counted is counted to a bound.

-- name: inspect_database
select m.database_id, m.epoch, cast(m.floor as text) as floor, (select max(version) from querymark_schema) as schema,
       cast((julianday('now') - 2440587.5) * 86400000 as integer) as now,
       (select max(cast((julianday('now') - 2440587.5) * 86400000 as integer) - l.created_at, 0)
          from querymark_log l order by l.id limit 1) as oldest
  from querymark_meta m
 where m.id = 1

-- ?1 a namespace, or '' for all. What a consumer has yet to apply is looked for among the next 100,000 rows, whosever they
-- are; deliveries are counted to `bound`. `forgetting`: what an operator runs.
-- name: inspect_consumers
with now (ms) as (select cast((julianday('now') - 2440587.5) * 86400000 as integer))
select c.namespace, c.name, case when c.lease_until > now.ms then c.owner end as owner,
       c.epoch is m.epoch as current, cast(c.cursor_id as text) as cursor, c.segment_attempts as attempts,
       c.flush_required_upto is not null as owes_flush, max(now.ms - c.down_since, 0) as down, c.down_reason,
       (select count(*) from (select namespace from querymark_log where id > c.cursor_id order by id limit 100000) r
         where r.namespace in (c.namespace, '*') and c.epoch is m.epoch) as behind,
       c.epoch is m.epoch
       and (select count(*) = 100000 from (select 1 from querymark_log where id > c.cursor_id limit 100000)) as behind_more,
       (select max(now.ms - r.created_at, 0)
          from (select namespace, created_at from querymark_log where id > c.cursor_id order by id limit 100000) r
         where r.namespace in (c.namespace, '*') and c.epoch is m.epoch limit 1) as lag,
       10000 as bound,
       (select count(*) from (select 1 from querymark_delivery d
                               where d.namespace = c.namespace and d.consumer = c.name and d.state in ('pending', 'claimed')
                               limit 10001)) as waiting,
       (select count(*) from (select 1 from querymark_delivery d
                               where d.namespace = c.namespace and d.consumer = c.name and d.state = 'dead'
                                 and d.state not in ('pending', 'claimed')
                               limit 10001)) as dead,
       (select count(*) from (select 1 from querymark_delivery d
                               where d.namespace = c.namespace and d.consumer = c.name and d.state = 'expired'
                                 and d.state not in ('pending', 'claimed')
                               limit 10001)) as expired,
       printf('delete from querymark_delivery where namespace = %Q and consumer = %Q; '
              || 'delete from querymark_consumer where namespace = %Q and name = %Q;',
              c.namespace, c.name, c.namespace, c.name) as forgetting
  from querymark_consumer c, querymark_meta m, now
 where m.id = 1 and (?1 = '' or c.namespace = ?1)
 order by c.namespace, c.name

-- The same for any cursor (?2) of this history, among the next ?3 rows.
-- name: inspect_behind
select count(*) filter (where r.namespace in (?1, '*')) as behind, count(*) >= ?3 as behind_more,
       max(cast((julianday('now') - 2440587.5) * 86400000 as integer)
           - min(r.created_at) filter (where r.namespace in (?1, '*')), 0) as lag
  from (select namespace, created_at from querymark_log where id > ?2 order by id limit ?3) r

-- ?1 ids as a JSON list.
-- name: inspect_rows
select id, reason, created_at from querymark_log where id in (select value from json_each(?1))

-- What hurts, with what to do. A file's own settings alone: those of connections are the applications'.
-- name: inspect_findings
select 'warning' as severity, 'the file is not in WAL mode: a writer waits for readers, and readers for it' as what,
       'pragma journal_mode = wal' as advice
  from pragma_journal_mode
 where journal_mode <> 'wal'
union all
select 'notice', 'the ids of the log are counted apart, for programs of earlier releases: each write takes a page more',
       'once none of them runs: querymark migrate --finish'
  from sqlite_sequence
 where name = 'querymark_log' and typeof(seq) = 'integer'
union all
select 'notice', 'more than half of the file is free pages', 'vacuum it, while nobody writes'
  from pragma_freelist_count f, pragma_page_count p
 where f.freelist_count > 1000 and f.freelist_count * 2 > p.page_count
