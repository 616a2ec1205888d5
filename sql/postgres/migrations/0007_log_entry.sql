-- What a row of the log may hold is said by a domain: a table's CHECK is parsed anew by each statement that inserts, so five
-- of them cost more than the row; a domain's constraints are kept by the session. Programs of version 6 go on.
begin;

set local search_path = pg_catalog, pg_temp;
-- Whoever waits for an exclusive lock on the log holds up all writes behind it.
set local lock_timeout = '5s';

create type querymark.log_values as (namespace text, kind text, target text, reason text);

-- The library's own limits: every consumer fetches what any writer puts into the log.
create domain querymark.log_entry as querymark.log_values
  constraint log_kind_check check ((value).kind in ('key', 'tag', 'entity', 'collection', 'flush'))
  constraint log_check check ((value).kind = 'flush' or (value).target <> '')
  constraint log_namespace_size check (octet_length((value).namespace) <= 200)
  constraint log_target_size check (octet_length((value).target) <= 1024)
  constraint log_reason_size check (octet_length((value).reason) <= 500);

-- The one CHECK that is left makes the row such a value. Not valid: no rows are read under the lock, and those from before
-- version 3 may be larger; the tail fetches no longer target from them.
alter table querymark.log
  drop constraint if exists log_kind_check,
  drop constraint if exists log_check,
  drop constraint if exists log_namespace_size,
  drop constraint if exists log_target_size,
  drop constraint if exists log_reason_size,
  add constraint log_entry
    check (row(namespace, kind, target, reason)::querymark.log_entry is distinct from null) not valid;

insert into querymark.schema (version, name) values (7, '0007_log_entry.sql');

commit;
