-- What waits for shared targets ask, on the log's own session.

-- All consumers of a namespace, and of each at most $4 deliveries, of the positions $2 to $3 in the epoch, that no success
-- has superseded: one row for each, one for a consumer without any; together with the state of the log in the same
-- snapshot. The bounds serve the index `delivery_row`.
-- name: coverage
select h.epoch, h.adopted, h.pruned::text, pg_current_snapshot()::text as snapshot, pg_backend_pid() as pid, h.database_id,
       c.name, c.epoch as consumer_epoch, c.cursor::text, c.flush_required_upto::text as flush_owed,
       d.first_position::text, d.position::text, d.state not in ('pending', 'claimed') as ended
  from querymark.history h
  left join querymark.consumer c on c.namespace = $1
  left join lateral (
    select g.first_position, g.position, g.state
      from querymark.delivery g
     where g.namespace = $1 and g.consumer = c.name and g.epoch = h.epoch
       and g.position >= $2::text::xid8 and g.first_position <= $3::text::xid8
       and g.state <> 'superseded'
     order by g.position
     limit $4::bigint
  ) d on true
 order by c.name, d.position
