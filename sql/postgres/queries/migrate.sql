-- Which schema a database has.

-- name: schema_present
select count(*) as present from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'querymark' and c.relname = 'schema'

-- name: schema_version
select coalesce(max(version), 0) as version from querymark.schema

-- Serializes migrations; released at the end of their transaction. Anybody may hold this lock, and nobody for long.
-- name: lock_migrations
select set_config('lock_timeout', '10s', true), pg_advisory_xact_lock(hashtextextended('querymark migrate', 0))
