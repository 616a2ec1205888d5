-- What may go of the log, of all namespaces: rows below the floor.

-- name: prune_extent
select (select min(id) from querymark_log) as oldest

-- name: prune_holders
select namespace, name, epoch, cursor_id from querymark_consumer order by namespace, name

-- Nothing that has yet to be given out.
-- name: prune_allow
update querymark_meta
   set floor = max(floor, ?2)
 where id = 1 and epoch = ?1
   and ?2 <= max(floor, 1 + coalesce((select max(id) from querymark_log), 0))

-- One transaction of at most ?1 rows. The newest row stays: cursors know by it that the file was not rewound.
-- name: prune_remove
delete from querymark_log
 where id in (select l.id from querymark_log l
               where l.id < (select floor from querymark_meta where id = 1)
                 and l.id < (select max(id) from querymark_log)
               order by l.id
               limit ?1)

-- At most ?2 deliveries that ended more than ?1 milliseconds ago. Consumer by consumer and state by state, from
-- querymark_delivery_ended.
-- name: prune_deliveries
delete from querymark_delivery
 where id in (
   select o.id
     from querymark_consumer c
    cross join json_each('["superseded", "cancelled", "discarded"]') s
    cross join querymark_delivery o indexed by querymark_delivery_ended
       on o.namespace = c.namespace and o.consumer = c.name and o.state = s.value
      and o.state not in ('pending', 'claimed')
      and o.changed_at < cast((julianday('now') - 2440587.5) * 86400000 as integer) - ?1
    limit ?2)
