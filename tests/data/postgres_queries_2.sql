-- Named statements of the PostgreSQL adapter. `-- name:` lines are keys; see SqlCatalog. What has the meaning of a
-- statement of the SQLite adapter bears its name.
--
-- Positions (xid8) and snapshots travel as text.

-- name: schema_present
select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'querymark' and c.relname = 'schema'

-- name: schema_version
select coalesce(max(version), 0) from querymark.schema

-- name: meta
select database_id, epoch, floor::text from querymark.meta where id = 1

-- Serializes migrations; released at the end of their transaction.
-- name: lock_migrations
select pg_advisory_xact_lock(hashtextextended('querymark migrate', 0))

-- name: adopt
select querymark.adopt()

-- The server process itself. A pooling proxy names another when the connection is made.
-- name: backend
select pg_backend_pid()

-- What a pooled connection pins, since it changes results. NULL leaves what the server gives. $6: for this transaction
-- only; behind a pooling proxy the server session is other clients' too. Tells a standby first: there, a statement that
-- names an unlogged table, as `session` does, fails before it runs.
-- name: pin_session
select pg_is_in_recovery(),
       set_config('role', coalesce($1, current_setting('role')), $6::boolean),
       set_config('search_path', coalesce($2, current_setting('search_path')), $6::boolean),
       set_config('TimeZone', coalesce($3, current_setting('TimeZone')), $6::boolean),
       set_config('DateStyle', coalesce($4, current_setting('DateStyle')), $6::boolean),
       set_config('IntervalStyle', coalesce($5, current_setting('IntervalStyle')), $6::boolean),
       set_config('bytea_output', 'hex', $6::boolean),
       set_config('default_transaction_isolation', 'read committed', $6::boolean),
       set_config('default_transaction_deferrable', 'off', $6::boolean),
       set_config('default_transaction_read_only', 'on', $6::boolean)

-- The tail's plan is one for all sizes, and making or compiling it takes longer than running it: it is made once for
-- a connection. The log may be all but empty then and full a moment later, so the plan must not be a scan of the table.
-- name: pin_log_session
select set_config('jit', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('default_transaction_read_only', 'off', false),
       set_config('default_transaction_deferrable', 'off', false)

-- What the pins came to, and the proof that the connection leads to the history that its caller knows.
-- name: session
select m.database_id, m.epoch, m.incarnation is not distinct from i.id,
       concat_ws(chr(10), current_user, current_setting('search_path'), current_setting('TimeZone'),
                 current_setting('DateStyle'), current_setting('IntervalStyle'),
                 current_setting('bytea_output'))
  from querymark.meta m left join querymark.incarnation i on true
 where m.id = 1

-- name: log_state
select m.epoch, m.incarnation is not distinct from i.id, m.floor::text, pg_current_snapshot()::text,
       pg_backend_pid()
  from querymark.meta m left join querymark.incarnation i on true
 where m.id = 1

-- The tail: rows that the cursor does not cover and the end does ($4, or this statement's own snapshot), at most $7,
-- together with the state of the log in the same snapshot. A page begins after the last row of the page before:
--   the rest of that row's transaction     ($5, after id $6)
--   the cursor's ids in progress above it  ($3)
--   all ids from the cursor's xmax on      (above $2, which is xmax - 1, or the last page's last id if that is more)
-- Ordered branches, because an OR reads the whole index under a generic plan; and one bound of each kind per branch,
-- because a scan with two lower bounds may start at the wrong one. The upper bound keeps out rows of a foreign
-- history (pg_restore, logical replication), whose ids may lie in the future.
-- name: log_page
with state as materialized (
  select m.epoch, m.incarnation is not distinct from i.id as adopted, m.floor, pg_current_snapshot() as snapshot,
         coalesce($4::text::pg_snapshot, pg_current_snapshot()) as upto
    from querymark.meta m left join querymark.incarnation i on true
   where m.id = 1
)
select s.epoch, s.adopted, s.floor::text, s.snapshot::text, pg_backend_pid(),
       r.id, r.xid::text, r.kind, r.target, r.write_id
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

-- The id of a transaction that writes is taken when it begins, so that a receipt can name it even when the connection
-- is lost in the middle of COMMIT.
-- name: begin_write
select database_id, epoch, pg_current_xact_id()::text from querymark.meta where id = 1

-- All intents of a transaction in one statement: $2 and $5 are arrays of kinds and targets.
-- name: append
insert into querymark.log (namespace, kind, target, reason, write_id)
select $1::text, kind, target, $3::text, $4::bigint
  from unnest($2::text[], $5::text[]) with ordinality as u (kind, target, n)
 order by n

-- Whether a write is in the log, and what is known of its transaction otherwise.
-- name: confirm_write
select m.epoch, exists (select from querymark.log l where l.xid = $1::text::xid8 and l.write_id = $2::bigint),
       pg_visible_in_snapshot($1::text::xid8, pg_current_snapshot()), $1::text::xid8 < m.floor
  from querymark.meta m
 where m.id = 1

-- What a load inside a caller's transaction may be stamped with.
-- name: load_state
select m.database_id, m.epoch, pg_snapshot_xmin(pg_current_snapshot())::text,
       pg_current_xact_id_if_assigned() is not null, pg_is_in_recovery()
  from querymark.meta m
 where m.id = 1

-- name: consumer_register
insert into querymark.consumer (namespace, name) values ($1, $2) on conflict do nothing

-- name: consumer
select epoch, cursor::text, owner, owner is not null and lease_until > clock_timestamp()
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
           and (owner is null or owner = $3 or lease_until <= clock_timestamp())
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

-- LISTEN belongs to a server session: behind a proxy that lends sessions per transaction it is lost.
-- name: listening
select count(*), pg_backend_pid() from pg_listening_channels() c where c = 'querymark'

-- name: ring
select pg_notify('querymark', $1)
