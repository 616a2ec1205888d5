-- The log's newest row stays, whoever deletes, so the next id follows from it: no table of ids has to be written with
-- each row, and a commit writes a page less. Programs of the release before look into that table. Where the log has been
-- used they go on: all stays as it was, until `querymark migrate --finish` runs this once more. Where nobody has used it,
-- and after that, they say that they must be upgraded.
-- By hand: sqlite3 -bail -cmd '.dbconfig defensive off' shop.db < 0007_log_ids.sql
begin immediate;

-- Whoever stands looks at the schema again, also at what is changed below.
create table querymark_passing (id integer) strict;
drop table querymark_passing;

-- As in 0002_identity.sql: the rows stay as they are. Behind the highest id of all, which only who gives ids himself can
-- put in, SQLite would take any that are free.
pragma writable_schema = on;
update sqlite_schema
   set sql = replace(sql, 'integer primary key autoincrement',
                     'integer primary key check (id between 1 and 4611686018427387903)')
 where type = 'table' and name = 'querymark_log'
   and not exists (select 1 from sqlite_sequence where name = 'querymark_log');
insert into sqlite_schema (type, name, tbl_name, rootpage, sql)
select 'trigger', 'querymark_log_newest', 'querymark_log', 0,
       'CREATE TRIGGER querymark_log_newest before delete on querymark_log
when old.id = (select max(id) from querymark_log) begin
  select raise(ignore);
end'
 where not exists (select 1 from sqlite_sequence where name = 'querymark_log')
   and not exists (select 1 from sqlite_schema where name = 'querymark_log_newest');
-- A delivery's id, which operators type, is then never another's; and a dump of the file, which tells of ids that were
-- given out, has a table that it can tell of.
update sqlite_schema
   set sql = replace(sql, 'id             integer primary key,', 'id             integer primary key autoincrement,')
 where type = 'table' and name = 'querymark_delivery';
pragma writable_schema = reset;

-- No number: a program that looks for one here must not go on.
insert into sqlite_sequence (name, seq)
select 'querymark_log', 'kept by querymark_log itself: programs that look here must be upgraded'
 where not exists (select 1 from sqlite_sequence where name = 'querymark_log');

insert or ignore into querymark_schema (version, name) values (7, '0007_log_ids.sql');

commit;
