-- Least privilege, as group roles without login: grant them to the roles that your programs use.
--   querymark_writer      write transactions: appends to the log
--   querymark_subscriber  reads through the cache: follows the log
--   querymark_worker      the daemon: follows the log, moves the cursors of shared targets
-- Roles belong to the whole server. Where this one may not create them, nothing is granted: create them with the
-- rights of this file, or run the programs as the schema's owner.
begin;

set local search_path = pg_catalog, pg_temp;  -- no overload in the caller's path is called

do $$
declare
  role text;
begin
  foreach role in array array['querymark_writer', 'querymark_subscriber', 'querymark_worker'] loop
    begin
      if not exists (select from pg_roles where rolname = role) then
        execute format('create role %I nologin', role);
      end if;
    exception
      when duplicate_object or unique_violation then null;  -- another database's migration was faster
      when insufficient_privilege then
        raise notice 'querymark: % may not create the role %; its rights are not granted', current_user, role;
    end;
  end loop;

  if exists (select from pg_roles where rolname = 'querymark_writer') then
    grant usage on schema querymark to querymark_writer;
    grant select on querymark.meta, querymark.schema, querymark.log to querymark_writer;
    -- Not xid: its default is the only truth.
    grant insert (namespace, kind, target, reason, write_id) on querymark.log to querymark_writer;
    grant execute on function querymark.invalidate(text, text, text, text) to querymark_writer;
    grant execute on function querymark.ring(text) to querymark_writer;
  end if;
  if exists (select from pg_roles where rolname = 'querymark_subscriber') then
    grant usage on schema querymark to querymark_subscriber;
    grant select on querymark.schema, querymark.meta, querymark.incarnation, querymark.log
      to querymark_subscriber;
    grant execute on function querymark.adopt() to querymark_subscriber;
    grant execute on function querymark.ring(text) to querymark_subscriber;
  end if;
  if exists (select from pg_roles where rolname = 'querymark_worker') then
    grant querymark_subscriber to querymark_worker;
    grant select, insert, update on querymark.consumer to querymark_worker;
  end if;
end $$;

insert into querymark.schema (version, name) values (2, '0002_roles.sql');

commit;
