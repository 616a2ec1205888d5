-- Consumers of the log: workers' cursors and leases.

-- name: consumer_register
insert into querymark_consumer (namespace, name) values (?1, ?2) on conflict do nothing

-- name: consumer
select epoch, cursor_id, case when witness_id = cursor_id then witness else 0 end as witness, owner, lease_until,
       cast((julianday('now') - 2440587.5) * 86400000 as integer) as now, segment_attempts, flush_required_upto,
       -- In how many milliseconds the next delivery is due; null: none waits. If the last one was changed later than now,
       -- it waits by a clock that has been put back, and is due.
       case when cast((julianday('now') - 2440587.5) * 86400000 as integer)
                 < (select d.changed_at from querymark_delivery d
                     where d.namespace = ?1 and d.consumer = ?2 and d.state in ('pending', 'claimed')
                     order by d.available_at desc limit 1) then 0
            else (select max(min(d.available_at) - cast((julianday('now') - 2440587.5) * 86400000 as integer), 0)
                    from querymark_delivery d
                   where d.namespace = ?1 and d.consumer = ?2 and d.state in ('pending', 'claimed')) end as next_due
  from querymark_consumer
 where namespace = ?1 and name = ?2

-- name: consumer_claim
update querymark_consumer
   set owner = ?3, token = ?4, segment_attempts = segment_attempts + 1,
       lease_until = cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?5
 where namespace = ?1 and name = ?2

-- ?6: the witness of the cursor's row; null where the claim does not know it, within its segment.
-- name: consumer_advance
update querymark_consumer
   set epoch = ?4, cursor_id = ?5, cursor_write = 0, witness_id = ?5,
       witness = coalesce(?6, (select coalesce(witness, write_id) from querymark_log where id = ?5), 0),
       segment_attempts = 0, down_since = null, down_reason = null
 where namespace = ?1 and name = ?2 and token = ?3

-- name: consumer_renew
update querymark_consumer
   set lease_until = cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?4
 where namespace = ?1 and name = ?2 and token = ?3

-- Who releases is alive: its segment has killed nobody.
-- name: consumer_release
update querymark_consumer
   set owner = null, token = null, lease_until = 0, segment_attempts = 0
 where namespace = ?1 and name = ?2 and owner = ?3
