-- Copies of a file get an identity of their own, each row of the log a proof, and what a row may hold bounds.
-- Programs of the release before go on with this schema while they run; started anew they ask to be upgraded.
-- By hand: sqlite3 -bail -cmd '.dbconfig defensive off' shop.db < 0002_identity.sql
begin immediate;

-- file_identity alone may come back: inode numbers are given out again, and a disk is copied with them.
alter table querymark_meta add column file_birth text;  -- nanoseconds since 1970; null where not kept
alter table querymark_meta add column machine_id text;
alter table querymark_meta add column boot_seen text;   -- the boot under which the file was last opened

-- Files that were copied from one template had a common one.
update querymark_meta set database_id = lower(hex(randomblob(16))) where id = 1;

-- Values from before may be longer than what the checks below let through.
update querymark_log
   set kind = 'flush', target = ''
 where length(cast(target as blob)) > 1024;
update querymark_log
   set reason = substr(reason, 1, 125)
 where length(cast(reason as blob)) > 500;
update querymark_log
   set namespace = substr(namespace, 1, 50)
 where length(cast(namespace as blob)) > 200;

-- The witness of a row: a cursor that ended at it knows by this number that the row is still the same one, and
-- no other that got the id after a restore. Random unless the library gives its write id; write_id can't serve,
-- because a trigger may put the same number into each row.
alter table querymark_log add column witness integer;
update querymark_log set witness = case when write_id <> 0 then write_id else random() end;

-- SQLite can't change a default or a check in place, and rebuilding the table would take along the triggers that
-- belong to it. This is its documented way for changes that leave the rows as they are. Who has added columns
-- keeps the table as it is: rows then have no witness but their write id.
pragma writable_schema = on;
update sqlite_schema
   set sql = 'CREATE TABLE querymark_log (
  id         integer primary key autoincrement,
  namespace  text not null check (length(cast(namespace as blob)) <= 200),
  kind       text not null check (kind in (''key'', ''tag'', ''entity'', ''collection'', ''flush'')),
  target     text not null check ((kind = ''flush'' or target <> '''') and length(cast(target as blob)) <= 1024),
  reason     text check (length(cast(reason as blob)) <= 500),
  write_id   integer not null default (random()),
  created_at integer not null default (cast((julianday(''now'') - 2440587.5) * 86400000 as integer)),
  witness    integer default (random())
) strict'
 where type = 'table' and name = 'querymark_log'
   and (select group_concat(name) from pragma_table_info('querymark_log'))
       = 'id,namespace,kind,target,reason,write_id,created_at,witness';
pragma writable_schema = reset;

-- The witness of a consumer's cursor; it counts while witness_id is the cursor's id. Programs of the release
-- before move the cursor without it.
alter table querymark_consumer add column witness_id integer not null default 0;
alter table querymark_consumer add column witness integer not null default 0;

insert into querymark_schema (version, name) values (2, '0002_identity.sql');

commit;
