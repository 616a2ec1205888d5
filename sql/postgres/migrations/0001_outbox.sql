-- The outbox: one append-only log, its identity, and the consumers that drain it for shared tiers.
-- Works alone (`psql -v ON_ERROR_STOP=1 -f 0001_outbox.sql`) and through `querymark migrate`, which replaces
-- the first and the last statement by its own transaction.
begin;

set local search_path = pg_catalog, pg_temp;  -- no overload in the caller's path is called

create schema querymark;

create table querymark.schema (
  version    integer primary key,
  name       text not null,
  applied_at timestamptz not null default now()
);

create table querymark.meta (
  id                integer primary key check (id = 1),
  -- Identity of the data, the same in every process; part of each key. Replaced in a copy (a template's, a dump's).
  database_id       text not null check (database_id ~ '^[0-9a-f]{32}$'),
  -- Identity of the history; replaced whenever positions may have been handed out twice.
  epoch             text not null check (epoch ~ '^[0-9a-f]{32}$'),
  -- What the epoch belongs to; null until the first consumer adopts it.
  system_identifier bigint,
  timeline          text,
  database_oid      oid,
  incarnation       uuid,
  -- Log rows below this position may have been pruned.
  floor             xid8 not null default pg_snapshot_xmin(pg_current_snapshot())
);

insert into querymark.meta (id, database_id, epoch)
values (1, replace(gen_random_uuid()::text, '-', ''), replace(gen_random_uuid()::text, '-', ''));

-- A crash, a promotion and a restore empty this table; a clean restart does not. After each of the former, ids
-- of transactions that were seen finished may be handed out again.
create unlogged table querymark.incarnation (
  one boolean primary key default true check (one),
  id  uuid not null default gen_random_uuid()
);

create table querymark.log (
  id         bigint generated always as identity primary key,
  -- The top-level transaction's id, so rows of savepoints stand where their transaction commits.
  xid        xid8 not null default pg_current_xact_id(),
  namespace  text not null,
  kind       text not null check (kind in ('key', 'tag', 'entity', 'collection', 'flush')),
  target     text not null check (kind = 'flush' or target <> ''),
  reason     text,
  write_id   bigint not null default 0,
  created_at timestamptz not null default clock_timestamp()
);

-- Serves both branches of the tail, in their order.
create index log_position on querymark.log (xid, id);

-- Rows are inserted and, an hour later, deleted from the front: the default thresholds wait for a fifth of the
-- table, which lets the dead front grow with the table.
alter table querymark.log set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1);

create table querymark.consumer (
  namespace   text not null,
  name        text not null,
  -- Cursor: everything that it covers is applied. No epoch: nothing is yet, the target starts with a flush.
  epoch       text check (epoch ~ '^[0-9a-f]{32}$'),
  cursor      pg_snapshot,
  -- Lease: whoever holds the token may advance the cursor. Times are this database's.
  owner       text,
  token       bigint,
  lease_until timestamptz not null default '-infinity',
  primary key (namespace, name),
  check ((epoch is null) = (cursor is null)),
  check ((owner is null) = (token is null))
);

-- Two short updates per segment, always of the same few rows: room for them on the page keeps them HOT.
alter table querymark.consumer set (fillfactor = 50);

-- Makes the epoch that of this very server: of its system identifier, its timeline, this database's oid, and
-- its incarnation. Another combination starts a new epoch, and empties the log: old positions mean nothing any
-- more. Returns the epoch. Only for a primary; a consumer calls it when it connects, and when a statement of
-- the tail finds no incarnation, or another than the epoch's.
create function querymark.adopt() returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  found_epoch text;
  current_id  uuid;
  system_id   bigint;
  line        text;
  database    oid;
begin
  if pg_is_in_recovery() then
    raise exception 'querymark: this server is a standby; connect to the primary'
      using errcode = 'read_only_sql_transaction';
  end if;
  -- One adopter at a time; the others find its work.
  select m.epoch into found_epoch from querymark.meta m where m.id = 1 for update;
  if not found then
    raise exception 'querymark: querymark.meta is empty; restore it or migrate anew';
  end if;
  insert into querymark.incarnation default values on conflict do nothing;
  select i.id into current_id from querymark.incarnation i;
  select c.system_identifier into system_id from pg_control_system() c;
  -- pg_control_checkpoint() would go on to name the old timeline for seconds after a promotion.
  line := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
  select d.oid into database from pg_database d where d.datname = current_database();
  if exists (select from querymark.meta m where m.system_identifier = system_id and m.timeline = line
                and m.database_oid = database and m.incarnation = current_id) then
    return found_epoch;
  end if;
  -- Whoever acts on the new epoch must find it again after a crash, whatever the session has set.
  if current_setting('synchronous_commit') in ('off', 'local') then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  -- Also for a database that nobody has adopted yet: copies of it would else share an epoch.
  found_epoch := replace(gen_random_uuid()::text, '-', '');
  delete from querymark.log;
  update querymark.meta m
     set epoch = found_epoch, system_identifier = system_id, timeline = line, database_oid = database,
         incarnation = current_id,
         database_id = case when m.system_identifier = system_id and m.database_oid = database then m.database_id
                            else replace(gen_random_uuid()::text, '-', '') end,
         -- Not above an id that is still running: its rows come with its commit.
         floor = pg_snapshot_xmin(pg_current_snapshot())
   where m.id = 1;
  return found_epoch;
end $$;
revoke all on function querymark.adopt() from public;

-- Canonical text of a target from its segments: joined by ':', with '%' and ':' inside a segment escaped.
create function querymark.target(variadic segments text[]) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
  select string_agg(replace(replace(s, '%', '%25'), ':', '%3A'), ':' order by n)
    from unnest(segments) with ordinality as u(s, n)
$$;

-- For writers that do not use the library: puts one intent into the log, in their own transaction.
--   select querymark.invalidate('shop', 'entity', querymark.target('product', '7'), 'price import');
create function querymark.invalidate(namespace text, kind text, target text default '', reason text default null)
returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  insert into querymark.log (namespace, kind, target, reason)
  values (invalidate.namespace, invalidate.kind, invalidate.target, invalidate.reason)
$$;
revoke all on function querymark.invalidate(text, text, text, text) from public;

-- Wakes the consumers of a namespace when the transaction commits. An opt-in: NOTIFY inside a write transaction
-- takes one lock for all commits of the cluster, and a transaction that has used it can't be prepared
-- (PREPARE TRANSACTION fails). Without it, consumers see the write at their next poll.
create function querymark.ring(namespace text) returns void
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select pg_notify('querymark', namespace)
$$;
revoke all on function querymark.ring(text) from public;

insert into querymark.schema (version, name) values (1, '0001_outbox.sql');

commit;
