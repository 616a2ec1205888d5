-- Consumers of the log: workers' cursors and leases. They run on the log's own session.

-- name: consumer_register
insert into querymark.consumer (namespace, name) values ($1, $2) on conflict do nothing

-- A lease that ends later than any may ($3, in milliseconds) is one of a clock that was wrong, and counts as ended.
-- name: consumer
select epoch, cursor::text, owner,
       owner is not null and lease_until > clock_timestamp()
       and lease_until <= clock_timestamp() + $3::bigint * interval '1 millisecond'
  from querymark.consumer
 where namespace = $1 and name = $2

-- Skips a row that another worker is just claiming. The segment's end is taken by a later statement: a snapshot
-- taken with the lock would predate it.
-- name: consumer_claim
update querymark.consumer c
   set owner = $3, token = $4::bigint,
       lease_until = clock_timestamp() + $5::bigint * interval '1 millisecond'
  from (select namespace, name
          from querymark.consumer
         where namespace = $1 and name = $2
           and (owner is null or owner = $3 or lease_until <= clock_timestamp()
                or lease_until > clock_timestamp() + $6::bigint * interval '1 millisecond')
           for update skip locked) free
 where c.namespace = free.namespace and c.name = free.name
returning c.epoch, c.cursor::text

-- name: consumer_advance
update querymark.consumer
   set epoch = $4, cursor = $5::text::pg_snapshot
 where namespace = $1 and name = $2 and token = $3::bigint

-- name: consumer_renew
update querymark.consumer
   set lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond'
 where namespace = $1 and name = $2 and token = $3::bigint

-- name: consumer_release
update querymark.consumer
   set owner = null, token = null, lease_until = '-infinity'
 where namespace = $1 and name = $2 and owner = $3
