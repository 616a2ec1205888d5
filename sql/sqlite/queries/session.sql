-- What a connection is.

-- What a caller's connection knows that no other does.
-- name: temporary_objects
select exists (select 1 from temp.sqlite_master)

-- Settings by which a caller's connection reads the same SQL otherwise than ours do: LIKE, what others have not
-- committed (which a shared cache can show), and how columns are named.
-- name: callers_settings
select not ('a' like 'A') or (select read_uncommitted from pragma_read_uncommitted)
       or (select full_column_names from pragma_full_column_names)
       or not (select short_column_names from pragma_short_column_names)
