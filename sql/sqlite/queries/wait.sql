-- What waits for shared targets ask.

-- All consumers of a namespace, and of each at most ?4 deliveries, of the positions ?2 to ?3 in the epoch ?5, that no
-- success has superseded: one row for each, one for a consumer without any. The bounds serve querymark_delivery_row.
-- name: coverage
select c.name as name, c.epoch as consumer_epoch, c.cursor_id as cursor, c.flush_required_upto as flush_owed,
       d.first_position as first_position, d.position as position, d.state not in ('pending', 'claimed') as ended
  from querymark_consumer c
  left join querymark_delivery d on d.id in (
    select g.id from querymark_delivery g
     where g.namespace = ?1 and g.consumer = c.name and g.epoch = ?5
       and g.position >= ?2 and g.first_position <= ?3 and g.state <> 'superseded'
     order by g.position
     limit ?4)
 where c.namespace = ?1
 order by c.name, d.position
