-- Consumers of the log: workers' cursors and leases.

-- name: consumer_register
insert into querymark_consumer (namespace, name) values (?1, ?2) on conflict do nothing

-- name: consumer
select epoch, cursor_id, case when witness_id = cursor_id then witness else 0 end, owner, lease_until,
       cast((julianday('now') - 2440587.5) * 86400000 as integer)
  from querymark_consumer
 where namespace = ?1 and name = ?2

-- name: consumer_claim
update querymark_consumer
   set owner = ?3, token = ?4,
       lease_until = cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?5
 where namespace = ?1 and name = ?2

-- name: consumer_advance
update querymark_consumer
   set epoch = ?4, cursor_id = ?5, cursor_write = 0, witness_id = ?5, witness = ?6
 where namespace = ?1 and name = ?2 and token = ?3

-- name: consumer_renew
update querymark_consumer
   set lease_until = cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?4
 where namespace = ?1 and name = ?2 and token = ?3

-- name: consumer_release
update querymark_consumer
   set owner = null, token = null, lease_until = 0
 where namespace = ?1 and name = ?2 and owner = ?3
