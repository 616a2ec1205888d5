-- The kinds of the log are compared one after the other: for a list of so many SQLite builds a table with each row that is
-- inserted, which costs as much as all the rest of the row. Programs of the release before go on.
-- By hand: sqlite3 -bail -cmd '.dbconfig defensive off' shop.db < 0005_log_kinds.sql
begin immediate;

-- As in 0002_identity.sql: the rows stay as they are. Programs that stand go on with the list, which says the same.
pragma writable_schema = on;
update sqlite_schema
   set sql = replace(sql, 'kind in (''key'', ''tag'', ''entity'', ''collection'', ''flush'')',
                     '(kind = ''entity'' or kind = ''tag'' or kind = ''collection'' or kind = ''key'' or kind = ''flush'')')
 where type = 'table' and name = 'querymark_log';
pragma writable_schema = reset;

insert into querymark_schema (version, name) values (5, '0005_log_kinds.sql');

commit;
