-- Which schema a file has.

-- `other`: what is in the way under a name of Querymark's, and is not Querymark's.
-- name: schema_present
select count(*) filter (where type = 'table' and name = 'querymark_schema') as present,
       min(type || ' ' || name) filter (where 3 > (select count(*) from pragma_table_info('querymark_schema') c
                                                    where c.name in ('version', 'name', 'applied_at'))) as other
  from main.sqlite_master
 where lower(name) in ('querymark_schema', 'querymark_meta', 'querymark_log', 'querymark_consumer')

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
