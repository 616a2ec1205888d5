-- What did not reach a shared target at once. Every statement is guarded by the claim's token: whoever has claimed the
-- consumer since sees its row locked or changed, and this one finds no holder ($3).

-- A consumer's cursor moves only over what is applied or recorded here. Targets are equal by their texts: entities,
-- collections and tags of one text are one target. $6 to $12: what is left, as arrays; $13: how long
-- it may still be good for something, in milliseconds; $14: a flush that is owed from now on; $15 to $17: what was
-- applied; $18: a flush among it.
-- name: deliveries_record
with moved as (
  update querymark.consumer
     set epoch = $4, cursor = $5::text::pg_snapshot, segment_attempts = 0, down_since = null, down_reason = null,
         flush_required_upto = case when epoch <> $4 then $14::text::xid8  -- the old one's position means nothing
                                    when $14::text is null then flush_required_upto
                                    when flush_required_upto >= $14::text::xid8 then flush_required_upto
                                    else $14::text::xid8 end
   where namespace = $1 and name = $2 and token = $3::bigint
  returning clock_timestamp() as now
), superseded as (
  update querymark.delivery d
     set state = 'superseded', token = null, changed_at = clock_timestamp()
    from moved
   where d.namespace = $1 and d.consumer = $2 and d.state in ('pending', 'claimed')
     and (d.epoch <> $4
          or d.position <= $18::text::xid8
          -- Looked up by target in a table that is made once: what waits, times what was applied, would be too much.
          or d.position <= ((select jsonb_object(array_agg((a.kind = 'key')::text || a.target), array_agg(a.position))
                               from unnest($15::text[], $16::text[], $17::text[]) a (kind, target, position))
                            ->> ((d.kind = 'key')::text || d.target))::xid8)
), left_behind as (
  insert into querymark.delivery (namespace, consumer, epoch, kind, target, first_position, position, state, attempts,
                                  available_at, deadline, last_error)
  select $1, $2, $4, u.kind, u.target, u.first::xid8, u.last::xid8, u.state,
         case when u.kind is null then 0 else 1 end,
         moved.now + u.pause * interval '1 millisecond', moved.now + $13::bigint * interval '1 millisecond', u.error
    from moved,
         unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[])
           as u (kind, target, first, last, state, pause, error)
  on conflict (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, '')) do nothing
), widened as (
  -- One that is recorded already, read in another page, stands for all from the first of either on. If it is superseded
  -- here, too, one of both happens, and either will do.
  update querymark.delivery d
     set first_position = u.first::xid8
    from moved, unnest($6::text[], $7::text[], $8::text[], $9::text[]) as u (kind, target, first, last)
   where d.namespace = $1 and d.consumer = $2 and d.epoch = $4 and d.position = u.last::xid8
     and coalesce(d.kind, '') = coalesce(u.kind, '') and coalesce(d.target, '') = coalesce(u.target, '')
     and d.first_position > u.first::xid8
)
select count(*) as holders from moved

-- One row of the log, recorded before it is applied. Counts the attempt of a row that is waiting and due; leaves alone one
-- that waits for later or has been decided on.
-- name: delivery_take_row
with holder as materialized (
  select namespace from querymark.consumer
   where namespace = $1 and name = $2 and token = $3::bigint
     for share
), taken as (
  insert into querymark.delivery as d (namespace, consumer, epoch, kind, target, first_position, position, state, token,
                                       attempts, deadline)
  select $1, $2, $4, $5, $6, $7::text::xid8, $8::text::xid8, 'claimed', $3::bigint, 1,
         clock_timestamp() + $9::bigint * interval '1 millisecond'
    from holder
  on conflict (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, '')) do update
     set state = 'claimed', token = excluded.token, attempts = d.attempts + 1, changed_at = clock_timestamp(),
         first_position = least(d.first_position, excluded.first_position)
   where d.state = 'pending' and (d.available_at <= clock_timestamp() or d.changed_at > clock_timestamp())
  returning *
), widened as (
  -- Of all others only where it begins: read in another page, the row may stand for more.
  update querymark.delivery d
     set first_position = $7::text::xid8
    from holder
   where d.namespace = $1 and d.consumer = $2 and d.epoch = $4 and d.position = $8::text::xid8
     and coalesce(d.kind, '') = $5 and coalesce(d.target, '') = $6 and d.first_position > $7::text::xid8
     and not exists (select from taken t where t.id = d.id)
)
select h.holders, d.id, d.kind, d.target, d.epoch, d.first_position::text, d.position::text, d.attempts,
       case when isfinite(d.available_at) then (extract(epoch from d.available_at) * 1000)::bigint end as available_at,
       case when isfinite(d.deadline) then (extract(epoch from d.deadline) * 1000)::bigint end as deadline, d.last_error
  from (select count(*) as holders from holder) h left join taken d on true

-- One that was changed later than now waits by a clock that has been put back: it is due.
-- name: deliveries_take_due
with holder as materialized (
  select namespace from querymark.consumer
   where namespace = $1 and name = $2 and token = $3::bigint
     for share
), due as materialized (
  select d.id from querymark.delivery d
   where d.namespace = $1 and d.consumer = $2 and d.state = 'pending' and d.epoch = $4
     and (d.available_at <= clock_timestamp() or d.changed_at > clock_timestamp())
   order by d.available_at, d.id limit $5::bigint
), taken as (
  update querymark.delivery d
     set state = 'claimed', token = $3::bigint, attempts = d.attempts + 1, changed_at = clock_timestamp()
    from due, holder
   where d.id = due.id and d.state = 'pending'
  returning d.*
)
select h.holders, d.id, d.kind, d.target, d.epoch, d.first_position::text, d.position::text, d.attempts,
       case when isfinite(d.available_at) then (extract(epoch from d.available_at) * 1000)::bigint end as available_at,
       case when isfinite(d.deadline) then (extract(epoch from d.deadline) * 1000)::bigint end as deadline, d.last_error
  from (select count(*) as holders from holder) h left join taken d on true
 order by d.available_at, d.id

-- What became of claimed ones: $4 ids, $5 'applied', 'pending', 'unclaimed', 'dead' or 'expired', $6 pauses in
-- milliseconds, $7 errors; $8 whether a death leaves a flush that is owed.
-- name: deliveries_settle
with holder as materialized (
  select namespace from querymark.consumer
   where namespace = $1 and name = $2 and token = $3::bigint
     for update
), told as materialized (
  select u.id, u.became, u.pause, u.error
    from holder, unnest($4::bigint[], $5::text[], $6::bigint[], $7::text[]) u (id, became, pause, error)
), gone as (
  delete from querymark.delivery d using told t
   where d.id = t.id and d.token = $3::bigint and t.became = 'applied'
), moved as (
  update querymark.delivery d
     set state = case when t.became = 'unclaimed' then 'pending' else t.became end, token = null,
         attempts = d.attempts - case when t.became = 'unclaimed' and d.attempts > 0 then 1 else 0 end,
         available_at = case when t.became = 'unclaimed' then d.available_at
                             else clock_timestamp() + t.pause * interval '1 millisecond' end,
         last_error = coalesce(t.error, d.last_error), changed_at = clock_timestamp()
    from told t
   where d.id = t.id and d.token = $3::bigint and t.became <> 'applied'
  returning d.state, d.position
), owed as (
  update querymark.consumer c
     set flush_required_upto = case when c.flush_required_upto >= m.position then c.flush_required_upto
                                    else m.position end
    from (select position from moved where state in ('dead', 'expired') order by position desc limit 1) m
   where c.namespace = $1 and c.name = $2 and $8::boolean
)
select count(*) as holders from holder

-- The flush that was owed up to $4 has been applied, at $5. Cleared if nothing has died since.
-- name: deliveries_pay_flush
with paid as (
  update querymark.consumer
     set flush_required_upto = case when flush_required_upto <= $4::text::xid8 then null else flush_required_upto end
   where namespace = $1 and name = $2 and token = $3::bigint
  returning epoch
), superseded as (
  update querymark.delivery d
     set state = 'superseded', token = null, changed_at = clock_timestamp()
    from paid
   where d.namespace = $1 and d.consumer = $2 and d.state in ('pending', 'claimed')
     and (d.epoch <> paid.epoch or d.position <= $5::text::xid8)
)
select count(*) as holders from paid

-- The target is down: nobody's attempt.
-- name: deliveries_forgive
update querymark.consumer
   set segment_attempts = greatest(segment_attempts - 1, 0),
       down_since = coalesce(down_since, clock_timestamp()), down_reason = $4
 where namespace = $1 and name = $2 and token = $3::bigint

-- For operators. By state, from the index `delivery_page`, so that a page reads about what it shows, however many have
-- ended: $2 the states, $3 the id before the page, $4 a consumer or '', $5 what the last error contains or ''. A range of
-- states, which has but one: so no other index has the order, and the primary key looks no cheaper to the planner.
-- name: deliveries_list
select d.state, d.id, d.kind, d.target, d.epoch, d.first_position::text, d.position::text, d.attempts,
       case when isfinite(d.available_at) then (extract(epoch from d.available_at) * 1000)::bigint end as available_at,
       case when isfinite(d.deadline) then (extract(epoch from d.deadline) * 1000)::bigint end as deadline, d.last_error, d.consumer, (extract(epoch from d.created_at) * 1000)::bigint as created_at,
       (extract(epoch from d.changed_at) * 1000)::bigint as changed_at
  from unnest($2::text[]) s (state)
 cross join lateral (
    select e.* from querymark.delivery e
     where e.namespace = $1 and (e.state, e.id) > (s.state, $3::bigint) and e.state <= s.state
       and ($4::text = '' or e.consumer = $4) and ($5::text = '' or strpos(e.last_error, $5) > 0)
     order by e.state, e.id limit $6::bigint
  ) d
 order by d.id
 limit $6::bigint

-- An operator's decision on deliveries $2, seen in the states $3, which leads to the state $4. A worker that has claimed one
-- since has changed its state. What is retried begins anew: its attempts and the length of its life, too.
-- name: deliveries_decide
update querymark.delivery d
   set state = $4::text, changed_at = clock_timestamp(),
       attempts = case when $4::text = 'pending' then 0 else d.attempts end,
       available_at = case when $4::text = 'pending' then clock_timestamp() else d.available_at end,
       deadline = case when $4::text <> 'pending' or d.deadline = 'infinity' then d.deadline
                       else clock_timestamp() + (d.deadline - d.created_at) end,
       -- Of which the next retry counts that length.
       created_at = case when $4::text = 'pending' then clock_timestamp() else d.created_at end
  from unnest($2::bigint[], $3::text[]) u (id, seen)
 where d.id = u.id and d.namespace = $1 and d.state = u.seen
   and ($4::text <> 'pending'
        or (d.kind is not null and d.epoch = (select m.epoch from querymark.meta m where m.id = 1)))
returning d.id
