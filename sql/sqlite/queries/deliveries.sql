-- What did not reach a shared target at once. Several of these run in one write transaction, whose first statement finds
-- out whether the claim's token (?3) still holds the consumer.

-- name: consumer_holds
select count(*) as holders from querymark_consumer where namespace = ?1 and name = ?2 and token = ?3

-- ?3 a position, or null: that of the delivery ?4.
-- name: consumer_owe_flush
update querymark_consumer
   set flush_required_upto = max(coalesce(flush_required_upto, 0),
                                 coalesce(?3, (select position from querymark_delivery where id = ?4)))
 where namespace = ?1 and name = ?2

-- Before the cursor moves into another epoch (?3): a flush that is owed in the old one means nothing there.
-- name: consumer_forget_flush
update querymark_consumer
   set flush_required_upto = null
 where namespace = ?1 and name = ?2 and epoch <> ?3

-- Cleared if nothing has died since.
-- name: consumer_pay_flush
update querymark_consumer
   set flush_required_upto = case when flush_required_upto > ?4 then flush_required_upto end
 where namespace = ?1 and name = ?2 and token = ?3

-- The target is down: nobody's attempt.
-- name: consumer_forgive
update querymark_consumer
   set segment_attempts = max(segment_attempts - 1, 0), down_reason = ?4,
       down_since = coalesce(down_since, cast((julianday('now') - 2440587.5) * 86400000 as integer))
 where namespace = ?1 and name = ?2 and token = ?3

-- ?3: the epoch that stands. ?4: a flush was applied there.
-- name: deliveries_supersede_all
update querymark_delivery
   set state = 'superseded', token = null, changed_at = cast((julianday('now') - 2440587.5) * 86400000 as integer)
 where namespace = ?1 and consumer = ?2 and state in ('pending', 'claimed') and (epoch <> ?3 or position <= ?4)

-- Those that wait for one of the targets ?3, a JSON list of their texts in hexadecimal. It is looked up in a table that is
-- made once: what waits, times what was applied, would be too much.
-- name: deliveries_equal
select id, kind = 'key' as is_key, target, position
  from querymark_delivery
 where namespace = ?1 and consumer = ?2 and state in ('pending', 'claimed')
   and lower(hex(target)) in (select value from json_each(?3))

-- name: delivery_supersede
update querymark_delivery
   set state = 'superseded', token = null, changed_at = cast((julianday('now') - 2440587.5) * 86400000 as integer)
 where id = ?1

-- One that is recorded already, read in another page, stands for all from the first of either on.
-- name: delivery_leave
insert into querymark_delivery (namespace, consumer, epoch, kind, target, first_position, position, state, attempts,
                                available_at, deadline, last_error)
select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?4 is not null, now + ?9, now + ?10, ?11
  from (select cast((julianday('now') - 2440587.5) * 86400000 as integer) as now)
 where true
on conflict (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, '')) do update
   set first_position = min(first_position, excluded.first_position)

-- One row of the log, recorded before it is applied. Counts the attempt of a row that is waiting and due; leaves alone one
-- that waits for later or has been decided on.
-- name: delivery_take_row
insert into querymark_delivery (namespace, consumer, epoch, kind, target, first_position, position, state, token,
                                attempts, available_at, deadline)
select ?1, ?2, ?4, ?5, ?6, ?7, ?8, 'claimed', ?3, 1, now, now + ?9
  from (select cast((julianday('now') - 2440587.5) * 86400000 as integer) as now)
 where true
on conflict (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, '')) do update
   set state = 'claimed', token = excluded.token, attempts = attempts + 1, changed_at = excluded.available_at
 where state = 'pending' and (available_at <= excluded.available_at or changed_at > excluded.available_at)

-- Before that: read in another page, a row that is recorded already stands for all from the first of either on.
-- name: delivery_widen
update querymark_delivery
   set first_position = ?6
 where namespace = ?1 and consumer = ?2 and epoch = ?3 and coalesce(kind, '') = ?4 and coalesce(target, '') = ?5
   and position = ?7 and first_position > ?6

-- name: delivery_taken
select id, kind, target, epoch, first_position, position, attempts, available_at, deadline, last_error
  from querymark_delivery
 where namespace = ?1 and consumer = ?2 and token = ?3 and epoch = ?4 and position = ?5 and kind = ?6 and target = ?7

-- One that was changed later than now waits by a clock that has been put back: it is due.
-- name: deliveries_due
select id, kind, target, epoch, first_position, position, attempts + 1 as attempts, available_at, deadline, last_error
  from querymark_delivery
 where namespace = ?1 and consumer = ?2 and state = 'pending' and epoch = ?3
   and (available_at <= cast((julianday('now') - 2440587.5) * 86400000 as integer)
        or changed_at > cast((julianday('now') - 2440587.5) * 86400000 as integer))
 order by available_at, id
 limit ?4

-- name: delivery_take
update querymark_delivery
   set state = 'claimed', token = ?2, attempts = attempts + 1,
       changed_at = cast((julianday('now') - 2440587.5) * 86400000 as integer)
 where id = ?1

-- Claimed under a token that is no longer the consumer's: whoever had it is gone, and its attempt counts.
-- name: deliveries_take_back
update querymark_delivery
   set state = 'pending', token = null
 where namespace = ?1 and consumer = ?2 and state = 'claimed' and token <> ?3

-- name: delivery_applied
delete from querymark_delivery where id = ?1 and token = ?2

-- ?3 the state; ?4 the pause; ?5 the error; ?6 1 when the attempt is given back.
-- name: delivery_settle
update querymark_delivery
   set state = ?3, token = null, attempts = max(attempts - ?6, 0), last_error = coalesce(?5, last_error),
       available_at = case when ?6 then available_at
                           else cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?4 end,
       changed_at = cast((julianday('now') - 2440587.5) * 86400000 as integer)
 where id = ?1 and token = ?2

-- For operators. State by state, from querymark_delivery_page, so that a page reads about what it shows, however many have
-- ended: ?2 the states as a JSON list, ?3 the id before the page, ?4 a consumer or '', ?5 what the last error contains or ''.
-- name: deliveries_list
select d.state, d.id, d.kind, d.target, d.epoch, d.first_position, d.position, d.attempts, d.available_at, d.deadline,
       d.last_error, d.consumer, d.created_at, d.changed_at
  from json_each(?2) s
 cross join querymark_delivery d on d.id in (
    select e.id from querymark_delivery e
     where e.namespace = ?1 and e.state = s.value and e.id > ?3
       and (?4 = '' or e.consumer = ?4) and (?5 = '' or instr(e.last_error, ?5) > 0)
     order by e.id
     limit ?6)
 order by d.id
 limit ?6

-- An operator's decision on the delivery ?2, seen in the state ?3, which leads to the state ?4. A worker that has claimed
-- it since has changed its state. What is retried begins anew: its attempts and the length of its life, too.
-- name: deliveries_decide
update querymark_delivery
   set state = ?4, changed_at = cast((julianday('now') - 2440587.5) * 86400000 as integer),
       attempts = case when ?4 = 'pending' then 0 else attempts end,
       available_at = case when ?4 = 'pending' then cast((julianday('now') - 2440587.5) * 86400000 as integer)
                           else available_at end,
       deadline = case when ?4 = 'pending'
                       then cast((julianday('now') - 2440587.5) * 86400000 as integer) + (deadline - created_at)
                       else deadline end,
       -- Of which the next retry counts that length.
       created_at = case when ?4 = 'pending' then cast((julianday('now') - 2440587.5) * 86400000 as integer)
                         else created_at end
 where id = ?2 and namespace = ?1 and state = ?3
   and (?4 <> 'pending' or (kind is not null and epoch = (select epoch from querymark_meta where id = 1)))
