-- The outbox: one append-only log, its identity, and the consumers that drain it for shared tiers.
-- Works alone (`sqlite3 shop.db < 0001_outbox.sql`) and through `querymark migrate`, which replaces the
-- first and the last statement by its own transaction.
begin immediate;

create table querymark_schema (
  version    integer primary key,
  name       text not null,
  applied_at text not null default (datetime('now'))
) strict;

create table querymark_meta (
  id            integer primary key check (id = 1),
  -- Identity of the data, the same in every process; part of each key.
  database_id   text not null check (length(database_id) = 32),
  -- Identity of the history; replaced whenever positions may have been handed out twice.
  epoch         text not null check (length(epoch) = 32),
  -- device:inode of the file that the epoch belongs to; empty until the first consumer opens it.
  file_identity text not null default '',
  -- Set once anyone writes below synchronous=FULL: then a reboot may lose commits, and starts a new epoch.
  boot_id       text,
  -- Log rows below this id may have been pruned.
  floor         integer not null default 1 check (floor >= 1)
) strict;

insert into querymark_meta (id, database_id, epoch)
values (1, lower(hex(randomblob(16))), lower(hex(randomblob(16))));

-- autoincrement: an id is never handed out twice while the file keeps its history, not even after deletes.
-- Writers are serialized, so the order of ids is the order of commits. No other index: consumers read ranges
-- of ids, and every index would cost each write.
create table querymark_log (
  id         integer primary key autoincrement,
  namespace  text not null,
  kind       text not null check (kind in ('key', 'tag', 'entity', 'collection', 'flush')),
  target     text not null check (kind = 'flush' or target <> ''),
  reason     text,
  write_id   integer not null,
  created_at integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer))
) strict;

create table querymark_consumer (
  namespace    text not null,
  name         text not null,
  -- Cursor: everything up to cursor_id is applied. No epoch: nothing is yet, the target starts with a flush.
  epoch        text check (length(epoch) = 32),
  cursor_id    integer not null default 0 check (cursor_id >= 0),
  cursor_write integer not null default 0,
  -- Lease: whoever holds the token may advance the cursor. Times are milliseconds by this database's clock.
  owner        text,
  token        integer,
  lease_until  integer not null default 0,
  primary key (namespace, name),
  check ((owner is null) = (token is null))
) strict, without rowid;

insert into querymark_schema (version, name) values (1, '0001_outbox.sql');

commit;
