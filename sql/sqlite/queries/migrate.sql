-- Which schema a file has.

-- name: schema_present
select count(*) as present from sqlite_master where type = 'table' and name = 'querymark_schema'

-- Whether the ids of the log are still counted apart, for programs of earlier releases: see 0007_log_ids.sql.
-- name: ids_counted
select count(*) as counted from main.sqlite_sequence where name = 'querymark_log' and typeof(seq) = 'integer'

-- So that no id is given out twice if the newest row has been deleted before its trigger kept it.
-- name: ids_keep_newest
insert into main.querymark_log (id, namespace, kind, target)
select seq, '*', 'schema', 'schema'
  from main.sqlite_sequence
 where name = 'querymark_log' and seq > coalesce((select max(id) from main.querymark_log), 0)

-- name: ids_forget
delete from main.sqlite_sequence where name = 'querymark_log'

-- name: schema_version
select coalesce(max(version), 0) as version from querymark_schema
