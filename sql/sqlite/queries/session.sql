-- What a connection is.

-- Reads nothing; its first step makes the connection compare its copy of the schema with the file's.
-- name: look_at_schema
select 1 from main.sqlite_master limit 0

-- What a caller's connection knows that no other does.
-- name: temporary_objects
select exists (select 1 from temp.sqlite_master)

-- Settings by which a caller's connection reads the same SQL otherwise than ours do: LIKE, and what others
-- have not committed (which a shared cache can show).
-- name: callers_settings
select not ('a' like 'A') or (select read_uncommitted from pragma_read_uncommitted)
