-- What every connection to a SQLite file asks, whatever it holds.

-- Reads nothing; its first step makes the connection compare its copy of the schema with the file's.
-- name: look_at_schema
select 1 from main.sqlite_master limit 0
