-- The log takes what triggers report of tables: rows by their values, whole relations, definitions. It stands in the
-- namespace *, which consumers of all namespaces read. Programs of the release before go on, and read none of it.
-- By hand: sqlite3 -bail -cmd '.dbconfig defensive off' shop.db < 0006_tracked.sql
begin immediate;

-- As in 0002_identity.sql: the rows stay as they are. Many rows by their values are one intent, so those may be longer.
pragma writable_schema = on;
update sqlite_schema
   set sql = replace(replace(sql, 'or kind = ''flush'')', 'or kind = ''flush'' or kind = ''rows'' or kind = ''relation'' or kind = ''schema'')'),
                     'length(cast(target as blob)) <= 1024', 'length(cast(target as blob)) <= iif(kind = ''rows'', 16384, 1024)')
 where type = 'table' and name = 'querymark_log';
pragma writable_schema = reset;

-- The version of the file's definitions of which the log has told last; null where no table is tracked. Whoever looks at
-- the log and finds another one puts an intent into it: SQLite has no triggers for definitions.
alter table querymark_meta add column definitions integer;

insert into querymark_schema (version, name) values (6, '0006_tracked.sql');

commit;
