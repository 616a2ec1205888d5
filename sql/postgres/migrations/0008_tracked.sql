-- The log takes what triggers report of tables: rows by their values, whole relations, definitions. It stands in the
-- namespace *, which consumers of all namespaces read. Programs of version 7 go on, and read none of it.
begin;

set local search_path = pg_catalog, pg_temp;
set local lock_timeout = '5s';

-- Many rows by their values are one intent, so those may be longer.
alter domain querymark.log_entry drop constraint log_kind_check;
alter domain querymark.log_entry drop constraint log_target_size;
alter domain querymark.log_entry
  add constraint log_kind_check
    check ((value).kind in ('key', 'tag', 'entity', 'collection', 'flush', 'rows', 'relation', 'schema'));
alter domain querymark.log_entry
  add constraint log_target_size
    check (octet_length((value).target) <= case when (value).kind = 'rows' then 16384 else 1024 end);

insert into querymark.schema (version, name) values (8, '0008_tracked.sql');

commit;
