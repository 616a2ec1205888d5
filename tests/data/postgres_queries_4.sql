-- Named statements of the PostgreSQL adapter of schema 4, as its programs prepare them.
-- Consumers of the log: workers' cursors and leases. They run on the log's own session.

-- name: consumer_register
insert into querymark.consumer (namespace, name) values ($1, $2) on conflict do nothing

-- A lease that ends later than any may ($3, in milliseconds) is one of a clock that was wrong, and counts as ended.
-- name: consumer
select epoch, cursor::text, owner,
       owner is not null and lease_until > clock_timestamp()
       and lease_until <= clock_timestamp() + $3::bigint * interval '1 millisecond',
       flush_required_upto is not null,
       -- In how many milliseconds the next delivery is due; null: none waits.
       (select greatest(extract(epoch from min(d.available_at) - clock_timestamp()) * 1000, 0)::bigint
          from querymark.delivery d
         where d.namespace = $1 and d.consumer = $2 and d.state in ('pending', 'claimed')
        having count(*) > 0)
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
                where d.namespace = t.namespace and d.consumer = t.name and d.state in ('pending', 'claimed')),
       (extract(epoch from clock_timestamp()) * 1000)::bigint
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
  returning namespace
), superseded as (
  update querymark.delivery d
     set state = 'superseded', token = null, changed_at = clock_timestamp()
    from moved
   where d.namespace = $1 and d.consumer = $2 and d.state in ('pending', 'claimed')
     and (d.epoch <> $4
          or d.position <= $18::text::xid8
          or exists (select from unnest($15::text[], $16::text[], $17::text[]) a (kind, target, position)
                      where (a.kind = 'key') = (d.kind = 'key') and a.target = d.target and d.position <= a.position::xid8))
), left_behind as (
  insert into querymark.delivery (namespace, consumer, epoch, kind, target, first_position, position, state, attempts,
                                  available_at, deadline, last_error)
  select $1, $2, $4, u.kind, u.target, u.first::xid8, u.last::xid8, u.state,
         case when u.kind is null then 0 else 1 end,
         clock_timestamp() + u.pause * interval '1 millisecond',
         clock_timestamp() + $13::bigint * interval '1 millisecond', u.error
    from moved,
         unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[])
           as u (kind, target, first, last, state, pause, error)
  on conflict (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, '')) do nothing
)
select count(*) from moved

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
     set state = 'claimed', token = excluded.token, attempts = d.attempts + 1, changed_at = clock_timestamp()
   where d.state = 'pending' and d.available_at <= clock_timestamp()
  returning *
)
select h.holders, d.id, d.kind, d.target, d.epoch, d.first_position::text, d.position::text, d.attempts,
       (extract(epoch from d.available_at) * 1000)::bigint, (extract(epoch from d.deadline) * 1000)::bigint,
       d.last_error
  from (select count(*) as holders from holder) h left join taken d on true

-- name: deliveries_take_due
with holder as materialized (
  select namespace from querymark.consumer
   where namespace = $1 and name = $2 and token = $3::bigint
     for share
), due as materialized (
  select d.id from querymark.delivery d
   where d.namespace = $1 and d.consumer = $2 and d.state = 'pending' and d.available_at <= clock_timestamp()
     and d.epoch = $4
   order by d.available_at, d.id limit $5::bigint
), taken as (
  update querymark.delivery d
     set state = 'claimed', token = $3::bigint, attempts = d.attempts + 1, changed_at = clock_timestamp()
    from due, holder
   where d.id = due.id and d.state = 'pending'
  returning d.*
)
select h.holders, d.id, d.kind, d.target, d.epoch, d.first_position::text, d.position::text, d.attempts,
       (extract(epoch from d.available_at) * 1000)::bigint, (extract(epoch from d.deadline) * 1000)::bigint,
       d.last_error
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
select count(*) from holder

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
select count(*) from paid

-- The target is down: nobody's attempt.
-- name: deliveries_forgive
update querymark.consumer
   set segment_attempts = greatest(segment_attempts - 1, 0),
       down_since = coalesce(down_since, clock_timestamp()), down_reason = $4
 where namespace = $1 and name = $2 and token = $3::bigint

-- name: deliveries_list
select d.state, d.id, d.kind, d.target, d.epoch, d.first_position::text, d.position::text, d.attempts,
       (extract(epoch from d.available_at) * 1000)::bigint, (extract(epoch from d.deadline) * 1000)::bigint,
       d.last_error
  from querymark.delivery d
 where d.namespace = $1 and d.consumer = $2
 order by d.id
 limit $3::bigint
-- The log and its state. Positions (xid8) and snapshots travel as text. What has the meaning of a statement of the
-- SQLite adapter bears its name. Which of them name the schema of all they use, and why, is said in session.sql.

-- What the caller's cursor knows: its epoch, and the first id that it has not seen given out ('' and 0 for none).
-- name: adopt
select querymark.adopt($1::text, $2::text::xid8)

-- name: log_state
select h.epoch, h.adopted, h.floor::text, pg_current_snapshot()::text, pg_backend_pid(), h.database_id
  from querymark.history h

-- The tail: rows that the cursor does not cover and the end does ($4, or this statement's own snapshot), at most $7,
-- together with the state of the log in the same snapshot. A page begins after the last row of the page before:
--   the rest of that row's transaction     ($5, after id $6)
--   the cursor's ids in progress above it  ($3)
--   all ids from the cursor's xmax on      (above $2, which is xmax - 1, or the last page's last id if that is more)
-- Ordered branches, because an OR reads the whole index under a generic plan; and one bound of each kind per branch,
-- because a scan with two lower bounds may start at the wrong one. The upper bound keeps out rows of a foreign
-- history (pg_restore, logical replication), whose ids may lie in the future.
-- A target longer than any that the library makes comes as null, malformed: it is never fetched, so a page has a bound
-- in bytes, too.
-- name: log_page
with state as materialized (
  select h.database_id, h.epoch, h.adopted, h.floor, pg_current_snapshot() as snapshot,
         coalesce($4::text::pg_snapshot, pg_current_snapshot()) as upto
    from querymark.history h
)
select s.epoch, s.adopted, s.floor::text, s.snapshot::text, pg_backend_pid(), s.database_id,
       r.id, r.xid::text, r.kind, case when octet_length(r.target) <= 1024 then r.target end, r.write_id
  from state s
  left join lateral (
    select * from (
      (select l.id, l.xid, l.kind, l.target, l.write_id
         from querymark.log l
        where l.xid = $5::text::xid8 and l.id > $6::bigint
          and l.namespace = $1 and pg_visible_in_snapshot(l.xid, s.upto)
        order by l.xid, l.id limit $7::bigint)
      union all
      (select l.id, l.xid, l.kind, l.target, l.write_id
         from querymark.log l
        where l.xid = any ($3::text[]::xid8[])
          and l.namespace = $1 and pg_visible_in_snapshot(l.xid, s.upto)
        order by l.xid, l.id limit $7::bigint)
      union all
      (select l.id, l.xid, l.kind, l.target, l.write_id
         from querymark.log l
        where l.xid > $2::text::xid8 and l.xid < pg_snapshot_xmax(s.upto)
          and l.namespace = $1 and pg_visible_in_snapshot(l.xid, s.upto)
        order by l.xid, l.id limit $7::bigint)
    ) branches
    order by xid, id limit $7::bigint
  ) r on true
 order by r.xid, r.id

-- The same for who has just committed on a pooled session, with the cursor's bounds ($2, $3) alone: at most $4 rows in
-- each of two branches, in no order, or it is no use. What this session may not see of the log, a policy would hide
-- without a word: the last column.
-- name: log_look
select h.epoch, h.adopted, h.floor::pg_catalog.text, pg_catalog.pg_current_snapshot()::pg_catalog.text,
       pg_catalog.pg_backend_pid(), h.database_id, r.id, r.xid::pg_catalog.text, r.kind,
       case when pg_catalog.octet_length(r.target) operator(pg_catalog.<=) 1024 then r.target end, r.write_id,
       pg_catalog.row_security_active('querymark.log'::pg_catalog.regclass)
  from querymark.history h
  left join lateral (
    (select l.id, l.xid, l.kind, l.target, l.write_id
       from querymark.log l
      where l.xid operator(pg_catalog.=) any ($3::pg_catalog.text[]::pg_catalog.xid8[])
        and l.namespace operator(pg_catalog.=) $1
      order by l.xid, l.id limit $4::bigint)
    union all
    (select l.id, l.xid, l.kind, l.target, l.write_id
       from querymark.log l
      where l.xid operator(pg_catalog.>) $2::pg_catalog.text::pg_catalog.xid8
        and l.xid operator(pg_catalog.<) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
        and l.namespace operator(pg_catalog.=) $1
      order by l.xid, l.id limit $4::bigint)
  ) r on true

-- The id of a transaction that writes is taken when it begins, so that a receipt can name it even when the connection
-- is lost in the middle of COMMIT.
-- name: begin_write
select m.database_id, m.epoch, pg_catalog.pg_current_xact_id()::pg_catalog.text
  from querymark.meta m
 where m.id operator(pg_catalog.=) 1

-- All intents of a transaction in one statement: $2 and $5 are arrays of kinds and targets.
-- name: append
insert into querymark.log (namespace, kind, target, reason, write_id)
select $1::pg_catalog.text, u.kind, u.target, $3::pg_catalog.text, $4::bigint
  from rows from (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[]))
       with ordinality as u (kind, target, n)
 order by u.n

-- Whether a write is in the log, and what is known of its transaction otherwise. A write without intents leaves no rows:
-- only the server can tell what became of it, and only of ids that it has given out in this history.
-- name: confirm_write
select h.epoch,
       exists (select from querymark.log l
                where l.xid operator(pg_catalog.=) $1::pg_catalog.text::pg_catalog.xid8
                  and l.write_id operator(pg_catalog.=) $2::bigint),
       pg_catalog.pg_visible_in_snapshot($1::pg_catalog.text::pg_catalog.xid8, pg_catalog.pg_current_snapshot()),
       $1::pg_catalog.text::pg_catalog.xid8 operator(pg_catalog.<) h.floor,
       case when h.adopted and $1::pg_catalog.text::pg_catalog.xid8
                 operator(pg_catalog.<) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
            then pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8) end
  from querymark.history h

-- The transaction that is open now.
-- name: write_position
select pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text

-- What a load inside a caller's transaction may be stamped with, whether the epoch is that of its server (a copy or a
-- clone that nobody has adopted bears the original's; the view `history` can't be asked on a standby), whether temporary
-- tables may hide others, and what the session is ($1: its settings by name).
-- name: load_state
select m.database_id, m.epoch,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text,
       pg_catalog.pg_current_xact_id_if_assigned() is not null,
       pg_catalog.pg_is_in_recovery()
       or coalesce(m.started_at operator(pg_catalog.=) pg_catalog.pg_postmaster_start_time()
                   and m.database_oid operator(pg_catalog.=) (
                     select d.oid from pg_catalog.pg_database d
                      where d.datname operator(pg_catalog.=) pg_catalog.current_database()), false),
       exists (select from pg_catalog.pg_class c
                where c.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()),
       pg_catalog.concat_ws(pg_catalog.chr(10), current_user, session_user,
                            array(select pg_catalog.current_setting(c.name, true)
                                    from pg_catalog.unnest($1::pg_catalog.text[]) as c (name)))
  from querymark.meta m
 where m.id operator(pg_catalog.=) 1

-- LISTEN belongs to a server session: behind a proxy that lends sessions per transaction it is lost.
-- name: listening
select count(*), pg_backend_pid() from pg_listening_channels() c where c = 'querymark'

-- name: ring
select pg_notify('querymark', $1)

-- Of the newest rows alone: no index serves this, and the log may be long.
-- name: namespaces
select distinct namespace from (select namespace from querymark.log order by id desc limit 10000) newest
 order by namespace
 limit 20
-- Which schema a database has.

-- name: schema_present
select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'querymark' and c.relname = 'schema'

-- name: schema_version
select coalesce(max(version), 0) from querymark.schema

-- Serializes migrations; released at the end of their transaction. Anybody may hold this lock, and nobody for long.
-- name: lock_migrations
select set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(hashtextextended('querymark migrate', 0))
-- What a session is, and what it is pinned to.
--
-- A name without a schema means what the search_path says, and an overload that whoever may create functions puts into
-- it can fit better than the system's own. The log's, the doorbell's and migrations' sessions pin theirs to pg_catalog.
-- What runs on a pooled or a caller's connection runs under the path that queries need, so those statements name the
-- schema of each function, operator and type (keywords such as bigint and coalesce can't mean anything else). No
-- `is distinct from`, `in`, `case x when`, `using (...)` there: they look for an operator `=` on the path.

-- Where the connection leads, and whether that is the history that its caller may know.
-- name: session
select h.database_id, h.epoch, h.adopted from querymark.history h

-- The server process itself. A pooling proxy names another when the connection is made.
-- name: backend
select pg_catalog.pg_backend_pid()

-- The names of types that are not the server's own, as a person would write them.
-- name: type_names
select t.oid, pg_catalog.format_type(t.oid, null) from pg_catalog.unnest($1::pg_catalog.oid[]) t (oid)

-- Sets settings of a pooled session ($1 to $2), since they change results. $3: for this transaction only; behind a
-- pooling proxy the server session is other clients' too. Tells a standby first: there, a statement that names an
-- unlogged table, as `session` does, fails before it runs.
-- name: pin_session
select pg_catalog.pg_is_in_recovery(), pg_catalog.count(pg_catalog.set_config(p.name, p.value, $3::boolean))
  from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as p (name, value)

-- What settings are; null for custom ones that nobody has set.
-- name: settings_now
select array(select pg_catalog.current_setting(c.name, true)
               from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as c (name, n)
              order by c.n)

-- Ends a read in a transaction of its own, which is then rolled back: whether it has written (a read-only transaction
-- lets large objects pass), and the answer of `prove_session`. What a rollback leaves: locks of the session.
-- name: leave_read
select pg_catalog.pg_current_xact_id_if_assigned() is not null, pg_catalog.pg_conf_load_time()::pg_catalog.text,
       pg_catalog.pg_advisory_unlock_all()

-- name: leave_read_customs
select pg_catalog.pg_current_xact_id_if_assigned() is not null,
       pg_catalog.concat_ws(pg_catalog.chr(10), pg_catalog.pg_conf_load_time(),
                            array(select pg_catalog.current_setting(c.name, true)
                                    from pg_catalog.unnest($1::pg_catalog.text[]) as c (name))),
       pg_catalog.pg_advisory_unlock_all()

-- What a session is whose settings were reset to what it came with and pinned again: its answer when it is fresh is the
-- measure for all later ones. A reset leads to the server's present configuration, so that must not have been loaded
-- anew. A session never forgets a custom setting ($1) that was set in it: it becomes '' where it was null.
-- name: prove_session
select pg_catalog.concat_ws(pg_catalog.chr(10), current_user, session_user, pg_catalog.pg_conf_load_time()),
       pg_catalog.pg_advisory_unlock_all()

-- name: prove_session_customs
select pg_catalog.concat_ws(pg_catalog.chr(10), current_user, session_user, pg_catalog.pg_conf_load_time(),
                            array(select pg_catalog.current_setting(c.name, true)
                                    from pg_catalog.unnest($1::pg_catalog.text[]) as c (name))),
       pg_catalog.pg_advisory_unlock_all()

-- First on each session of our own (log, doorbell, migrations): what follows means what it says, no setting of the role
-- or the database ends the session or a statement before its time ($1, in milliseconds), rows are never filtered
-- silently, and a client that is gone is noticed. The server gives up a statement when the client does. $2: for this
-- transaction only; behind a pooling proxy the server session is other clients' too.
-- name: pin_own_session
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', $2::boolean),
       pg_catalog.set_config('statement_timeout', $1, $2::boolean),
       pg_catalog.set_config('lock_timeout', '0', $2::boolean),
       pg_catalog.set_config('idle_session_timeout', '0', $2::boolean),
       pg_catalog.set_config('idle_in_transaction_session_timeout', '0', $2::boolean),
       pg_catalog.set_config('row_security', 'off', $2::boolean),
       pg_catalog.set_config('default_transaction_isolation', 'read committed', $2::boolean),
       pg_catalog.set_config('default_transaction_read_only', 'off', $2::boolean),
       pg_catalog.set_config('default_transaction_deferrable', 'off', $2::boolean),
       pg_catalog.set_config('standard_conforming_strings', 'on', $2::boolean),
       pg_catalog.set_config('tcp_keepalives_idle', '60', $2::boolean),
       pg_catalog.set_config('tcp_keepalives_interval', '10', $2::boolean),
       pg_catalog.set_config('tcp_keepalives_count', '3', $2::boolean)

-- The tail's plan is one for all sizes, and making or compiling it takes longer than running it: it is made once for
-- a connection. The log may be all but empty then and full a moment later, so the plan must not be a scan of the table.
-- name: pin_log_session
select set_config('jit', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('enable_indexscan', 'on', false), set_config('enable_nestloop', 'on', false)

-- What of a session can change results, a row for each: the users; the settings that always count (the third column is
-- true); and all others that are not the server's own, but for those that change no result.
--
-- Custom settings (`app.tenant`) are hidden from pg_settings. They are looked for by name: those of $1, those that the
-- database and the role come with, and those that functions and policies speak of. (Not views: what shows their text
-- runs statements of its own, on the caller's search_path.)
-- The fourth column: names that somebody may set. A session must be asked for each after each call, so there are few.
-- name: session_settings
with standing (name) as materialized (
  select pg_catalog.unnest(array['role', 'search_path', 'TimeZone', 'timezone_abbreviations', 'DateStyle',
    'IntervalStyle', 'extra_float_digits', 'bytea_output', 'row_security', 'default_text_search_config', 'lc_monetary',
    'lc_numeric', 'lc_time', 'xmlbinary', 'xmloption', 'array_nulls', 'transform_null_equals',
    'standard_conforming_strings', 'backslash_quote', 'quote_all_identifiers', 'gin_fuzzy_search_limit'])
), spoken (text) as (
  select p.prosrc
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
   where n.nspname::pg_catalog.text operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema', 'querymark'])
  union all
  select pg_catalog.concat('set ', pg_catalog.array_to_string(p.proconfig, ' set '))
    from pg_catalog.pg_proc p
   where p.proconfig is not null
  union all
  select pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    from pg_catalog.pg_policy p
), custom (name, is_set) as (
  select pg_catalog.unnest($1::pg_catalog.text[]), true
  union
  select pg_catalog.split_part(c.setting, '=', 1), true
    from pg_catalog.pg_db_role_setting s
    left join pg_catalog.pg_database d on d.oid operator(pg_catalog.=) s.setdatabase
    left join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) s.setrole,
         pg_catalog.unnest(s.setconfig) as c (setting)
   where (d.oid is null or d.datname operator(pg_catalog.=) pg_catalog.current_database())
     and (r.oid is null or r.rolname operator(pg_catalog.=) session_user)
  union
  select m.found[2], m.found[1] operator(pg_catalog.<>) ''''
    from spoken s, pg_catalog.regexp_matches(  -- no backslashes: they mean what the session says
           s.text,
           '(set_config[[:space:]]*[(][[:space:]]*''|[[:<:]]set[[:space:]]+(?:(?:local|session)[[:space:]]+)?|'')' operator(pg_catalog.||)
           '([a-z_][a-z0-9_$]*(?:[.][a-z_][a-z0-9_$]*)+)', 'gi') as m (found)
), settings (name, value, standing) as (
  select 'current_user', current_user::pg_catalog.text, false
  union all
  select 'session_user', session_user::pg_catalog.text, false
  union all
  select t.name, pg_catalog.current_setting(t.name), true from standing t
  union all
  select s.name, s.setting, false
    from pg_catalog.pg_settings s
   where s.source operator(pg_catalog.<>) all (array['default', 'override', 'environment variable', 'command line',
                                                     'configuration file'])
     and s.name operator(pg_catalog.<>) all (array(select t.name from standing t))
     and s.name operator(pg_catalog.<>) all (array['application_name', 'client_encoding', 'client_min_messages',
           'default_transaction_isolation', 'default_transaction_deferrable', 'default_transaction_read_only',
           'statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout',
           'transaction_timeout', 'client_connection_check_interval', 'tcp_keepalives_idle', 'tcp_keepalives_interval',
           'tcp_keepalives_count', 'tcp_user_timeout', 'synchronous_commit', 'transaction_isolation',
           'transaction_deferrable', 'transaction_read_only', 'jit'])
  union all
  select c.name, pg_catalog.current_setting(c.name, true), false
    from (select distinct d.name from custom d) c
   where c.name operator(pg_catalog.~) '[.]' and pg_catalog.current_setting(c.name, true) is not null
     and not exists (select from pg_catalog.pg_settings s where s.name operator(pg_catalog.=) c.name)
)
select s.name, s.value, s.standing,
       array(select distinct c.name from custom c where c.is_set and c.name operator(pg_catalog.~) '[.]' order by 1)
  from settings s
 order by s.name
