-- Which schema a database has.

-- `other`: there is a schema of that name, and it is not Querymark's.
-- name: schema_present
select count(c.oid) as present,
       count(n.oid) > count(c.oid) filter (where 3 = (
         select count(*) from pg_catalog.pg_attribute a
          where a.attrelid = c.oid
            and (a.attname, a.atttypid) in (('version', 'integer'::regtype), ('name', 'text'::regtype),
                                            ('applied_at', 'timestamptz'::regtype)))) as other
  from pg_catalog.pg_namespace n
  left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'schema' and c.relkind = 'r'
 where n.nspname = 'querymark'

-- name: schema_version
select coalesce(max(version), 0) as version from querymark.schema

-- Serializes migrations; released at the end of their transaction. Anybody may hold this lock, and nobody for long.
-- name: lock_migrations
select set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(hashtextextended('querymark migrate', 0))
