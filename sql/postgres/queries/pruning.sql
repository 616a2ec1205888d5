-- What may go of the log, of all namespaces. They run on the log's own session.

-- Rows are counted by their ids, which leave few gaps: cheap at any size. Ids at or above the snapshot's xmax are of a
-- foreign history (pg_restore), and nobody's business.
-- name: prune_extent
with state as materialized (
  select h.epoch, h.pruned, m.emptied, pg_current_snapshot() as snapshot
    from querymark.history h join querymark.meta m on m.id = 1
), ends as materialized (
  select s.*,
         (select l.id from querymark.log l where l.xid < pg_snapshot_xmax(s.snapshot)
           order by l.xid desc, l.id desc limit 1) as newest,
         (select l.id from querymark.log l
           where l.xid >= pg_snapshot_xmax(s.pruned) and l.xid < pg_snapshot_xmax(s.snapshot)
           order by l.xid, l.id limit 1) as oldest_kept,
         (select l.id from querymark.log l where l.xid >= s.emptied and l.xid < pg_snapshot_xmax(s.pruned)
           order by l.xid, l.id limit 1) as oldest
    from state s
)
select e.epoch, e.snapshot::text, e.pruned::text, coalesce(greatest(e.newest - e.oldest_kept + 1, 1), 0) as rows,
       coalesce(greatest(coalesce(e.oldest_kept, e.newest + 1) - e.oldest, 1), 0) as leftover,
       pg_total_relation_size('querymark.log') as bytes
  from ends e

-- A subscriber that has not beaten for its lease holds nothing, nor one whose last beat lies as far ahead: the clock has
-- been put back since. (Were this clock wrong, it would flush, no more.)
-- name: prune_holders
select true as consumer, c.namespace, c.name, null as application, null as host, null as pid, c.epoch, c.cursor::text
  from querymark.consumer c
union all
select false, s.namespace, null, s.application, s.host, s.pid, s.epoch, s.cursor::text
  from querymark.subscriber s
 where s.beat_at > clock_timestamp() - s.lease_ms * interval '1 millisecond'
   and s.beat_at < clock_timestamp() + s.lease_ms * interval '1 millisecond'
 order by 1 desc, 2, 3, 4

-- name: prune_recorded
select s.snapshot::text, (extract(epoch from clock_timestamp() - s.recorded_at) * 1000)::bigint as age
  from querymark.snapshot s
 where s.epoch = $1
 order by s.recorded_at

-- $1: not sooner than this after the one before; $2: of those that are older, only the newest is needed. What was
-- recorded in the future was recorded by a clock that was wrong.
-- name: record_snapshot
with forgotten as (
  delete from querymark.snapshot s
   using querymark.history h
   where s.epoch <> h.epoch
      or s.recorded_at > clock_timestamp() + $1::bigint * interval '1 millisecond'
      or s.recorded_at < (select o.recorded_at from querymark.snapshot o
                           where o.epoch = h.epoch
                             and o.recorded_at <= clock_timestamp() - $2::bigint * interval '1 millisecond'
                           order by o.recorded_at desc limit 1)
)
insert into querymark.snapshot (epoch, snapshot)
select h.epoch, pg_current_snapshot()
  from querymark.history h
 where h.adopted
   and not exists (select from querymark.snapshot s
                    where s.epoch = h.epoch
                      and s.recorded_at > clock_timestamp() - $1::bigint * interval '1 millisecond'
                      and s.recorded_at <= clock_timestamp() + $1::bigint * interval '1 millisecond')

-- name: prune_allow
update querymark.meta m
   set pruned = querymark.either(m.pruned, $2::text::pg_snapshot),
       floor = greatest(m.floor, pg_snapshot_xmax($2::text::pg_snapshot))
 where m.id = 1 and m.epoch = $1

-- One transaction of at most $1 rows. Whoever has locked the row of meta prunes, or adopts; nobody waits for it. Rows are
-- found from where the last removal ended, so those that vacuum has yet to clear away (an old snapshot that is held keeps
-- it from that) are not read again; and they go by their places, for no plan that joins may read the whole log.
-- name: prune_remove
with turn as materialized (
  select m.pruned, m.emptied from querymark.meta m where m.id = 1 for no key update skip locked
), going as materialized (
  select r.place, r.xid
    from turn t
   cross join lateral (
     select l.ctid as place, l.xid
       from querymark.log l
      where l.xid >= t.emptied and l.xid < pg_snapshot_xmax(t.pruned) and pg_visible_in_snapshot(l.xid, t.pruned)
      order by l.xid, l.id limit $1::bigint) r
), gone as (
  delete from querymark.log l where l.ctid = any (array(select g.place from going g)) returning l.xid
), moved as (
  -- Past all, or up to the last of as many as may go. Not past an id that was running when they were allowed: its rows
  -- may be covered, and go, later.
  update querymark.meta m
     set emptied = e.at
    from (select least(pg_snapshot_xmin(t.pruned),
                       (select g.xid from going g order by g.xid offset $1::bigint - 1 limit 1)) as at
            from turn t) e
   where m.id = 1 and m.emptied < e.at
)
select not exists (select from turn) as busy, (select count(*) from gone) as rows,
       (select count(*) from going) = $1::bigint as more

-- At most $2 deliveries that ended more than $1 milliseconds ago. Consumer by consumer and state by state, from the index
-- `delivery_ended` (by a time that a statement does not change, or each young one would be looked at), and by their ids, for
-- no plan that joins may read the whole table. What another pruner is just removing is its own.
-- name: prune_deliveries
delete from querymark.delivery d
 where d.id = any (array(
   select e.id
     from querymark.consumer c
    cross join unnest(array['superseded', 'cancelled', 'discarded']) s (state)
    cross join lateral (
      select o.id
        from querymark.delivery o
       where o.namespace = c.namespace and o.consumer = c.name and o.state = s.state
         and o.state not in ('pending', 'claimed')
         and o.changed_at < statement_timestamp() - $1::bigint * interval '1 millisecond'
       order by o.namespace, o.consumer, o.state, o.changed_at
       limit $2::bigint
         for update skip locked) e
    limit $2::bigint))

-- The oldest transaction with an id: all horizons stand before it.
-- name: horizon_holder
select h.what, h.pid, h.application, h.state, h.database, h.age
  from (select 'transaction' as what, a.pid, a.application_name as application, a.state, a.datname as database,
               (extract(epoch from clock_timestamp() - a.xact_start) * 1000)::bigint as age,
               age(a.backend_xid) as distance
          from pg_stat_activity a
         where a.backend_xid is not null and a.pid <> pg_backend_pid()
        union all
        select 'prepared transaction', 0, p.gid, 'prepared', p.database,
               (extract(epoch from clock_timestamp() - p.prepared) * 1000)::bigint, age(p.transaction)
          from pg_prepared_xacts p) h
 order by h.distance desc
 limit 1
