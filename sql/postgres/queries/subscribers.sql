-- Who follows the log. They run on the log's own session.

-- name: subscriber_enter
insert into querymark.subscriber as s (id, namespace, lease_ms, application, host, pid, version)
values ($1::bigint, $2, $3::bigint, $4, $5, $6::bigint, $7)
on conflict (id) do update
   set beat = s.beat + 1, epoch = null, cursor = null, beat_at = clock_timestamp()

-- Travels with `log_page`, as a rule. $4: whether to count.
-- name: subscriber_beat
with beaten as (
  update querymark.subscriber
     set beat = beat + 1, epoch = $2, cursor = $3::text::pg_snapshot, beat_at = clock_timestamp()
   where id = $1::bigint
  returning id
)
select exists (select from beaten) as known,
       case when $4::boolean then (select count(*) from querymark.subscriber) end as live

-- name: subscriber_leave
delete from querymark.subscriber where id = $1::bigint

-- name: subscribers
select id, beat, lease_ms, epoch, cursor::text, application, host, pid, version,
       (extract(epoch from clock_timestamp() - beat_at) * 1000)::bigint as age
  from querymark.subscriber
 where namespace = $1
 order by id

-- name: subscriber_reap
delete from querymark.subscriber where id = $1::bigint and beat = $2::bigint

-- name: ask_report
select pg_notify('querymark_report', $1)
