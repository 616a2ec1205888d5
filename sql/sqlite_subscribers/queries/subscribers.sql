-- Who follows the log.

-- name: subscriber_enter
insert into subscriber (id, namespace, lease_ms, application, host, pid, version, beat_at)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, cast((julianday('now') - 2440587.5) * 86400000 as integer))
on conflict (id) do update
   set beat = beat + 1, epoch = null, cursor_id = null, beat_at = excluded.beat_at

-- name: subscriber_beat
update subscriber
   set beat = beat + 1, epoch = ?2, cursor_id = ?3,
       beat_at = cast((julianday('now') - 2440587.5) * 86400000 as integer)
 where id = ?1

-- name: subscribers_live
select count(*) as live from subscriber

-- name: subscriber_leave
delete from subscriber where id = ?1

-- name: subscribers
select id, beat, lease_ms, epoch, cursor_id, application, host, pid, version,
       cast((julianday('now') - 2440587.5) * 86400000 as integer) - beat_at as age
  from subscriber
 where namespace = ?1
 order by id

-- name: subscriber_reap
delete from subscriber where id = ?1 and beat = ?2

-- Of all namespaces. One that has not beaten for its lease holds nothing, nor one whose last beat lies as far ahead: the
-- clock has been put back since.
-- name: prune_subscribers
select namespace, application, host, pid, epoch, cursor_id
  from subscriber
 where beat_at > cast((julianday('now') - 2440587.5) * 86400000 as integer) - lease_ms
   and beat_at < cast((julianday('now') - 2440587.5) * 86400000 as integer) + lease_ms
 order by namespace, id

-- name: prune_recorded
select last_id, cast((julianday('now') - 2440587.5) * 86400000 as integer) - recorded_at as age
  from recorded
 where epoch = ?1
 order by recorded_at

-- ?1: the epoch; ?2: no sooner than this after the one before; ?3: of those that are older, only the newest is needed.
-- What was recorded in the future was recorded by a clock that was wrong.
-- name: forget_recorded
delete from recorded
 where epoch <> ?1
    or recorded_at > cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?2
    or recorded_at < (select max(recorded_at) from recorded
                       where epoch = ?1
                         and recorded_at <= cast((julianday('now') - 2440587.5) * 86400000 as integer) - ?3)

-- name: record_snapshot
insert into recorded (epoch, last_id, recorded_at)
select ?1, ?2, now
  from (select cast((julianday('now') - 2440587.5) * 86400000 as integer) as now)
 where not exists (select 1 from recorded
                    where epoch = ?1 and recorded_at > now - ?3 and recorded_at <= now + ?3)
