-- Consumers of the log: workers' cursors and leases. They run on the log's own session.

-- name: consumer_register
insert into querymark.consumer (namespace, name) values ($1, $2) on conflict do nothing

-- A lease that ends later than any may ($3, in milliseconds) is one of a clock that was wrong, and counts as ended.
-- name: consumer
select epoch, cursor::text, owner,
       owner is not null and lease_until > clock_timestamp()
       and lease_until <= clock_timestamp() + $3::bigint * interval '1 millisecond' as held,
       flush_required_upto is not null as owes_flush,
       -- In how many milliseconds the next delivery is due; null: none waits. One that was changed later than now waits by
       -- a clock that has been put back: it is due.
       (select greatest(extract(epoch from min(case when d.changed_at > clock_timestamp() then clock_timestamp()
                                                    else d.available_at end) - clock_timestamp()) * 1000, 0)::bigint
          from querymark.delivery d
         where d.namespace = $1 and d.consumer = $2 and d.state in ('pending', 'claimed')
        having count(*) > 0) as next_due
  from querymark.consumer
 where namespace = $1 and name = $2

-- Skips a row that another worker is just claiming. The segment's end is taken by a later statement: a snapshot
-- taken with the lock would predate it. Deliveries that were claimed under another token wait again; their attempts count.
-- name: consumer_claim
with taken as (
  update querymark.consumer c
     set owner = $3, token = $4::bigint, segment_attempts = c.segment_attempts + 1,
         lease_until = clock_timestamp() + $5::bigint * interval '1 millisecond'
    from (select namespace, name
            from querymark.consumer
           where namespace = $1 and name = $2
             and (owner is null or owner = $3 or lease_until <= clock_timestamp()
                  or lease_until > clock_timestamp() + $6::bigint * interval '1 millisecond')
             for update skip locked) free
   where c.namespace = free.namespace and c.name = free.name
  returning c.*
), taken_back as (
  update querymark.delivery d
     set state = 'pending', token = null
    from taken
   where d.namespace = taken.namespace and d.consumer = taken.name and d.state = 'claimed' and d.token <> taken.token
)
select t.epoch, t.cursor::text, t.segment_attempts, t.flush_required_upto::text,
       exists (select from querymark.delivery d
                where d.namespace = t.namespace and d.consumer = t.name and d.state in ('pending', 'claimed')) as waiting,
       (extract(epoch from clock_timestamp()) * 1000)::bigint as now
  from taken t

-- name: consumer_advance
update querymark.consumer
   set epoch = $4, cursor = $5::text::pg_snapshot, segment_attempts = 0, down_since = null, down_reason = null
 where namespace = $1 and name = $2 and token = $3::bigint

-- name: consumer_renew
update querymark.consumer
   set lease_until = clock_timestamp() + $4::bigint * interval '1 millisecond'
 where namespace = $1 and name = $2 and token = $3::bigint

-- Who releases is alive: its segment has killed nobody.
-- name: consumer_release
update querymark.consumer
   set owner = null, token = null, lease_until = '-infinity', segment_attempts = 0
 where namespace = $1 and name = $2 and owner = $3
