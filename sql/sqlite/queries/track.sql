-- What tables are, and which triggers are on them. The names of tables are compared as SQLite does.

-- name: tracked_candidates
select name from sqlite_master
 where type = 'table' and name not like 'sqlite\_%' escape '\' and name not like 'querymark\_%' escape '\'
 order by name

-- name: table_kind
select name, type, wr from pragma_table_list where schema = 'main' and name = ?1 collate nocase

-- hidden: 1 of a virtual table, 2 generated when it is read, 3 generated when it is written.
-- name: table_columns
select name, "notnull" as not_null, dflt_value, pk, hidden from pragma_table_xinfo(?1, 'main') order by cid

-- cid -1: the rowid, -2: an expression.
-- name: unique_keys
select l.seq, l.origin, l.partial, x.cid, x.name, x.coll
  from pragma_index_list(?1, 'main') l, pragma_index_xinfo(l.name, 'main') x
 where l."unique" and x.key
 order by l.seq, x.seqno

-- In the order in which they were created.
-- name: table_triggers
select name, sql from sqlite_master where type = 'trigger' and tbl_name = ?1 collate nocase order by rowid

-- name: definitions_that_fail
select exists (select 1 from sqlite_master where type in ('table', 'trigger') and sql like '%fail%') as some

-- name: definitions
select type, name, tbl_name, sql from sqlite_master where type in ('table', 'trigger') order by rowid

-- Tables that a foreign key's action changes when a row of ?1 goes or gets another key. What the connection has
-- `foreign_keys` set to does not count: others write, too.
-- name: acted_on
select distinct m.name from sqlite_master m, pragma_foreign_key_list(m.name, 'main') f
 where m.type = 'table' and f."table" = ?1 collate nocase
   and (f.on_delete not in ('NO ACTION', 'RESTRICT') or f.on_update not in ('NO ACTION', 'RESTRICT'))

-- name: trigger_owner
select tbl_name from sqlite_master where type = 'trigger' and name = ?1 collate nocase

-- name: views
select name, sql from sqlite_master where type = 'view'

-- name: table_text
select sql from sqlite_master where type = 'table' and name = ?1 collate nocase

-- Functions of users', which may stand in for those of SQLite's own.
-- name: users_functions
select distinct lower(name) as name from pragma_function_list where not builtin

-- Functions that look at several rows; min and max have the same names with several arguments.
-- name: aggregate_named
select count(*) as count from pragma_function_list where name = ?1 collate nocase and type <> 's'

-- name: temporary_names
select count(*) as count from temp.sqlite_master

-- name: function_named
select count(*) as count from pragma_function_list where name = ?1 collate nocase

-- Modules of table-valued functions; those of pragmas come into being when they are named.
-- name: module_named
select (select count(*) from pragma_module_list where name = ?1 collate nocase)
       + (lower(?1) like 'pragma\_%' escape '\') as count
