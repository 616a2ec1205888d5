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

-- What event triggers run, where a superuser has made them (`querymark track`): each change of definitions is an intent of
-- the transaction that makes it. Whatever it can't tell apart counts as a change. Temporary objects, indexes, comments and
-- our own tables don't.
create function querymark.report_definitions() returns event_trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare
  command record;
  found_any boolean := false;
  changed boolean := false;
  about oid[] := '{}';
begin
  for command in select * from pg_event_trigger_ddl_commands() loop
    found_any := true;
    if command.schema_name = 'pg_temp' or command.object_identity like 'pg\_temp%'
       or command.command_tag in ('COMMENT', 'CREATE INDEX', 'REINDEX', 'CREATE STATISTICS') then
      continue;
    elsif command.command_tag = 'REFRESH MATERIALIZED VIEW' then
      insert into querymark.log (namespace, kind, target)
      select '*', 'relation', querymark.tracked_name(n.nspname) || ':' || querymark.tracked_name(c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = command.objid;
    else
      changed := true;
      if command.classid = 'pg_class'::regclass then
        about := about || command.objid;
      elsif command.command_tag = 'ALTER TYPE' then
        perform querymark.await_writers(command.objid);
      end if;
    end if;
  end loop;
  -- A concurrent REFRESH makes, changes and drops a temporary table, and shows nothing of it.
  if changed or (not found_any and tg_tag not like 'DROP %'
                 and tg_tag not in ('REFRESH MATERIALIZED VIEW', 'CREATE TABLE', 'ALTER TABLE')) then
    insert into querymark.log (namespace, kind, target) values ('*', 'schema', 'schema');
    perform querymark.check_routes(about);
    perform querymark.adopt_members(about);
    if tg_tag like 'ALTER %' then
      perform querymark.forget_plans(about);
    end if;
  end if;
end $$;

create function querymark.report_drops() returns event_trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from pg_event_trigger_dropped_objects() d
              where not d.is_temporary and d.address_names[1] is distinct from 'pg_temp'
                and d.object_type not in ('index', 'statistics object')) then
    insert into querymark.log (namespace, kind, target) values ('*', 'schema', 'schema');
    perform querymark.check_routes(array(select d.objid from pg_event_trigger_dropped_objects() d
                                          where d.classid = 'pg_class'::regclass and d.objsubid > 0));
  end if;
end $$;

-- A partition that is detached concurrently is gone for new statements from the first transaction of the two on, in which
-- nothing but this runs. The second may come late, or never. No function can do it, so the client's text has the words.
create function querymark.report_departures() returns event_trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(current_query() ~* 'detach.*concurrently', true) then
    insert into querymark.log (namespace, kind, target) values ('*', 'schema', 'schema');
  end if;
end $$;

-- A part of a name, as the library writes it.
create function querymark.tracked_name(part text) returns text language sql immutable
  return pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
    part, '%', '%25'), ':', '%3A'), ',', '%2C'), '+', '%2B');

-- Relations, the tables of composite types, and all that inherits from either.
create function querymark.with_members(about oid[]) returns setof oid language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive member (id) as (
    select unnest($1)
     union
    select more.id
      from member m, lateral (select i.inhrelid from pg_inherits i where i.inhparent = m.id
                               union all
                              select c.oid from pg_type t join pg_class c on c.reloftype = t.oid where t.typrelid = m.id) more (id)
  ) select id from member
$$;

-- A trigger that names a column which is gone would fail all writes of its table: rather the change of the column does.
-- Other changes don't: what is wrong already must not stand in the way of its mend.
create function querymark.check_routes(about oid[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  lost record;
begin
  for lost in
    select distinct g.tgrelid::regclass::text as relation, reads.part as route_column
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid,
           regexp_split_to_table(substr(split_part(p.prosrc, E'\n', 3), 7), '[,+]') as reads (part)
     where g.tgname in ('querymark_insert', 'querymark_update', 'querymark_delete')
       and p.pronamespace = 'querymark'::regnamespace and reads.part <> ''
       and g.tgrelid in (select querymark.with_members(about))
       and not exists (select from pg_attribute a
                        where a.attrelid = g.tgrelid and a.attnum > 0 and not a.attisdropped
                          and querymark.tracked_name(a.attname) = reads.part)
  loop
    raise exception 'the triggers of querymark report rows of % by the column %: untrack it first, and track it again afterwards',
      lost.relation, lost.route_column using errcode = 'dependent_objects_still_exist';
  end loop;
end $$;

-- Partitions and children that have come get their parent's triggers. What keeps them from it (another owner, a table in use)
-- keeps nobody from the change: results of the table are no longer kept until the next change of it, or somebody runs
-- `querymark track`. A temporary child is its session's own: no other reads it, or may change it.
create function querymark.adopt_members(about oid[]) returns void language plpgsql
  set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
  missing record;
begin
  for missing in
    select distinct i.inhrelid::regclass as member, g.tgname as name, coalesce(own.proname, p.proname) as function,
           coalesce(own.proname, p.proname) like '%\_row' as each_row
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_inherits i on i.inhparent = g.tgrelid
           join pg_class c on c.oid = i.inhrelid
           left join pg_proc own on own.pronamespace = p.pronamespace and own.proname = p.proname || '_row' and c.relkind = 'r'
     where g.tgname in ('querymark_insert', 'querymark_update', 'querymark_delete', 'querymark_truncate')
       and p.pronamespace = 'querymark'::regnamespace and g.tgenabled = 'A' and c.relkind in ('r', 'p')
       and c.relpersistence <> 't' and (i.inhrelid = any (about) or i.inhparent = any (about))
       and not exists (select from pg_trigger t join pg_proc has on has.oid = t.tgfoid
                        where t.tgrelid = i.inhrelid and t.tgname = g.tgname and has.proname = coalesce(own.proname, p.proname)
                          and has.pronamespace = p.pronamespace)
  loop
    begin
      if exists (select from pg_trigger t where t.tgrelid = missing.member and t.tgname = missing.name) then
        execute format('drop trigger %I on %s', missing.name, missing.member);
      end if;
      execute format('create trigger %I after %s on %s %s for each %s execute function querymark.%I()',
                     missing.name, substr(missing.name, 11), missing.member,
                     case when missing.each_row then ''
                          when missing.name = 'querymark_insert' then 'referencing new table as qm_new'
                          when missing.name = 'querymark_update' then 'referencing old table as qm_old new table as qm_new'
                          when missing.name = 'querymark_delete' then 'referencing old table as qm_old'
                          else '' end,
                     case when missing.each_row then 'row' else 'statement' end, missing.function);
      execute format('alter table only %s enable always trigger %I', missing.member, missing.name);
    exception when others then
      null;
    end;
  end loop;
end $$;

-- What a session has planned of a function for each row names the types of its table's columns. Where one becomes another,
-- a function that has changed, if only as if, is planned anew; else the session's writes would fail.
create function querymark.forget_plans(about oid[]) returns void language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare
  planned record;
begin
  for planned in
    select distinct p.proname as name
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid
     where p.pronamespace = 'querymark'::regnamespace and p.proname like 't\_%\_row'
       and g.tgrelid in (select querymark.with_members(about))
  loop
    begin
      execute format('alter function querymark.%I() cost 100', planned.name);
    exception when others then  -- another owner's, or somebody does just that
      null;
    end;
  end loop;
end $$;

-- A value of an enumeration that gets another name: who has written rows by the former one, and goes on, would report them
-- by that to those who ask for the new one. So the change waits for these. One that adds a value does not, where its text says so.
create function querymark.await_writers(enumeration oid) returns void language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare
  routed record;
begin
  if not exists (select from pg_type t where t.oid = enumeration and t.typtype = 'e')
     or (current_query() ~* '^\s*alter\s+type\s.*\sadd\s+value\s' and current_query() !~* '\srename\s') then
    return;
  end if;
  for routed in
    with recursive made (id) as (
      select enumeration union select t.oid from made m join pg_type t on t.typbasetype = m.id
    )
    select distinct g.tgrelid::regclass as relation
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_attribute a on a.attrelid = g.tgrelid
     where p.pronamespace = 'querymark'::regnamespace and g.tgname = 'querymark_update'
       and a.attnum > 0 and not a.attisdropped and a.atttypid in (select id from made)
       and querymark.tracked_name(a.attname)
           = any (regexp_split_to_array(substr(split_part(p.prosrc, E'\n', 3), 7), '[,+]'))
     order by 1
  loop
    begin
      execute format('lock table only %s in share mode', routed.relation);
    exception when insufficient_privilege then
      raise exception 'the triggers of querymark report rows of % by values of this enumeration: untrack it first, and track it again afterwards',
        routed.relation using errcode = 'dependent_objects_still_exist';
    end;
  end loop;
end $$;

revoke all on function querymark.report_definitions(), querymark.report_drops(), querymark.report_departures(),
  querymark.check_routes(oid[]), querymark.adopt_members(oid[]), querymark.forget_plans(oid[]), querymark.await_writers(oid),
  querymark.with_members(oid[]), querymark.tracked_name(text) from public;

insert into querymark.schema (version, name) values (8, '0008_tracked.sql');

commit;
