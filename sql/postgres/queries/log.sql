-- The log and its state. Positions (xid8) and snapshots travel as text. What has the meaning of a statement of the
-- SQLite adapter bears its name. Which of them name the schema of all they use, and why, is said in session.sql.

-- What the caller's cursor knows: its epoch, and the first id that it has not seen given out ('' and 0 for none).
-- name: adopt
select querymark.adopt($1::text, $2::text::xid8)

-- name: log_state
select h.epoch, h.adopted, h.pruned::text, pg_current_snapshot()::text as snapshot, pg_backend_pid() as pid, h.database_id
  from querymark.history h

-- The tail: rows that the cursor does not cover and the end does ($4, or this statement's own snapshot), the first $7 and more,
-- after a first row with the state of the log in the same snapshot. A page begins after the last row of the page before:
--   the rest of that row's transaction     ($5, after id $6)
--   the cursor's ids in progress above it  ($3)
--   all ids from the cursor's xmax on      (above $2, which is xmax - 1, or the last page's last id if that is more)
-- Each branch lies above the one before, so what comes is in order and nothing sorts it (whoever reads makes sure).
-- Ordered branches, because an OR reads the whole index under a generic plan; and one bound of each kind per branch,
-- because a scan with two lower bounds may start at the wrong one. The upper bound keeps out rows of a foreign
-- history (pg_restore, logical replication), whose ids may lie in the future.
-- What triggers report stands in the namespace *. A target longer than any that the library makes comes as null, malformed: it is never fetched, so a page has a bound
-- in bytes, too. So does, if asked for ($8), each that is not plain ASCII: one that has no equivalent in UTF-8 fails the
-- whole page. (None has in SQL_ASCII what some client has written in another encoding; several encodings have holes.)
-- name: log_page
with state as materialized (
  select h.database_id, h.epoch, h.adopted, h.pruned, pg_current_snapshot() as snapshot,
         coalesce($4::text::pg_snapshot, pg_current_snapshot()) as upto
    from querymark.history h
)
select s.epoch, s.adopted, s.pruned::text, s.snapshot::text, pg_backend_pid() as pid, s.database_id,
       null::bigint as id, null as xid, null as kind, null as target, null::bigint as write_id
  from state s
union all
select null, null, null, null, null, null,
       r.id, r.xid::text, r.kind,
       case when octet_length(r.target) <= case r.kind when 'rows' then 16384 else 1024 end
             and (not $8::boolean or r.target ~ '^[\x01-\x7f]*$') then r.target end, r.write_id
  from state s
 cross join lateral (
    (select l.id, l.xid, l.kind, l.target, l.write_id
       from querymark.log l
      where l.xid = $5::text::xid8 and l.id > $6::bigint
        and l.namespace in ($1, '*') and pg_visible_in_snapshot(l.xid, s.upto)
      order by l.xid, l.id limit $7::bigint)
    union all
    (select l.id, l.xid, l.kind, l.target, l.write_id
       from querymark.log l
      where l.xid = any ($3::text[]::xid8[])
        and l.namespace in ($1, '*') and pg_visible_in_snapshot(l.xid, s.upto)
      order by l.xid, l.id limit $7::bigint)
    union all
    (select l.id, l.xid, l.kind, l.target, l.write_id
       from querymark.log l
      where l.xid > $2::text::xid8 and l.xid < pg_snapshot_xmax(s.upto)
        and l.namespace in ($1, '*') and pg_visible_in_snapshot(l.xid, s.upto)
      order by l.xid, l.id limit $7::bigint)
 ) r

-- Whether anything at all has been committed since a snapshot, of whatever: that alone, of the very server that was
-- looked at before. It touches no table, so it costs a fifth of a page.
-- name: log_glance
select pg_current_snapshot()::text as snapshot, pg_backend_pid() as pid, pg_postmaster_start_time()::text as started

-- The id of a transaction that writes is taken when it begins, so that a receipt can name it even when the connection
-- is lost in the middle of COMMIT. How many rows the session has counted that it has put into the log: by how many it is
-- more after the commit (`end_write`), so many rows has the transaction left there, those of its triggers included.
-- The server takes such counts from a session only when that is idle, outside a transaction. Null where it counts
-- nothing (track_counts). And in which schemas names are looked for, and whether rows may be hidden by policies: which of
-- those concern a role the server settles once for a prepared statement, whatever roles are granted or revoked later.
-- name: begin_write
select m.database_id, m.epoch, pg_catalog.pg_current_xact_id()::pg_catalog.text as position,
       case when pg_catalog.current_setting('track_counts')::pg_catalog.bool
            then pg_catalog.pg_stat_get_xact_tuples_inserted('querymark.log'::pg_catalog.regclass) end as logged,
       pg_catalog.concat(pg_catalog.current_schemas(true),
                         case when exists (select from pg_catalog.pg_policy) then ' policies' end) as path
  from querymark.meta m
 where m.id operator(pg_catalog.=) 1

-- All intents of a transaction in one statement: $2 and $5 are arrays of kinds and targets.
-- name: append
insert into querymark.log (namespace, kind, target, reason, write_id)
select $1::pg_catalog.text, u.kind, u.target, $3::pg_catalog.text, $4::bigint
  from rows from (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[]))
       with ordinality as u (kind, target, n)
 order by u.n

-- The same for a single one, for which arrays would cost more than the row.
-- name: append_one
insert into querymark.log (namespace, kind, target, reason, write_id)
values ($1::pg_catalog.text, $2::pg_catalog.text, $5::pg_catalog.text, $3::pg_catalog.text, $4::bigint)

-- Whether a write is in the log, and what is known of its transaction otherwise. A write without intents leaves no rows:
-- only the server can tell what became of it, and only of ids that it has given out in this history.
-- name: confirm_write
select h.epoch,
       exists (select from querymark.log l
                where l.xid operator(pg_catalog.=) $1::pg_catalog.text::pg_catalog.xid8
                  and l.write_id operator(pg_catalog.=) $2::bigint) as logged,
       pg_catalog.pg_visible_in_snapshot($1::pg_catalog.text::pg_catalog.xid8, pg_catalog.pg_current_snapshot()) as ended,
       pg_catalog.pg_visible_in_snapshot($1::pg_catalog.text::pg_catalog.xid8, h.pruned) as pruned,
       case when h.adopted and $1::pg_catalog.text::pg_catalog.xid8
                 operator(pg_catalog.<) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
            then pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8) end as status
  from querymark.history h

-- Fails with 22023 for an id that the server has not given out; snapshots know the ids that have ended, and those before.
-- name: write_status
select pg_catalog.pg_xact_status($1::pg_catalog.text::pg_catalog.xid8) as status

-- The transaction that is open now.
-- name: write_position
select pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text as position

-- What a load inside a caller's transaction may be stamped with, whether the epoch is that of its server (a copy or a
-- clone that nobody has adopted bears the original's; the view `history` can't be asked on a standby), whether temporary
-- tables may hide others, what the session is ($1: its settings by name), and whether each statement has a snapshot of
-- its own.
-- name: load_state
select m.database_id, m.epoch,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text as horizon,
       pg_catalog.pg_current_xact_id_if_assigned() is not null as wrote,
       pg_catalog.pg_is_in_recovery()
       or coalesce(m.started_at operator(pg_catalog.=) pg_catalog.pg_postmaster_start_time()
                   and m.database_oid operator(pg_catalog.=) (
                     select d.oid from pg_catalog.pg_database d
                      where d.datname operator(pg_catalog.=) pg_catalog.current_database()), false) as adopted,
       exists (select from pg_catalog.pg_class c
                where c.relnamespace operator(pg_catalog.=) pg_catalog.pg_my_temp_schema()) as temporary,
       pg_catalog.concat_ws(pg_catalog.chr(10), current_user, session_user,
                            array(select pg_catalog.current_setting(c.name, true)
                                    from pg_catalog.unnest($1::pg_catalog.text[]) as c (name))) as session,
       pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.=) 'read committed' as newest
  from querymark.meta m
 where m.id operator(pg_catalog.=) 1

-- First in the snapshot of a load on a standby: whether the server is one still (promoted, it gives out ids of its own
-- that mean other writes), whose log it replays, and below which id all that has ended is visible. Its snapshots do
-- not list what runs on the primary, so only xmin counts.
-- name: standby_state
select pg_catalog.pg_is_in_recovery() as standby, m.database_id, m.epoch,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text as horizon
  from querymark.meta m
 where m.id operator(pg_catalog.=) 1

-- LISTEN belongs to a server session: behind a proxy that lends sessions per transaction it is lost.
-- name: listening
select count(*) as channels, pg_backend_pid() as pid from pg_listening_channels() c where c = 'querymark'

-- The lock that NOTIFY takes at its commit may be held for long by another's; and nobody waits for a standby to hear of it.
-- name: ring
select set_config('lock_timeout', '50ms', true), set_config('synchronous_commit', 'off', true), pg_notify('querymark', $1)

-- Of the newest rows alone: no index serves this, and the log may be long.
-- name: namespaces
select distinct namespace from (select namespace from querymark.log order by xid desc, id desc limit 10000) newest
 where namespace <> '*'
 order by namespace
 limit 20

-- Why, as they said, the writes of a transaction have invalidated; triggers report under '*'. (By the index on (xid, id).)
-- name: reasons_at
select distinct reason from querymark.log
 where xid operator(pg_catalog.=) $2::pg_catalog.text::pg_catalog.xid8
   and namespace in ($1::pg_catalog.text, '*') and reason operator(pg_catalog.<>) ''
 order by reason
 limit 20
