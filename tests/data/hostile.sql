-- Everything that whoever may create objects could put ahead of the system's own: a schema `evil` with an overload of
-- each function, operator, aggregate, type and relation of pg_catalog that can be made, and better fits in `public`.
-- Each tells `evil.calls`, which no rollback takes back, and fails.
set search_path = pg_catalog;

create schema evil;
grant usage on schema evil to public;
create sequence evil.calls;
grant usage, select on sequence evil.calls to public;

create function evil.trap() returns boolean language plpgsql volatile set search_path = pg_catalog as $$
begin
  perform nextval('evil.calls');
  raise exception 'hostile code was called';
end $$;

do $make$
declare
  it   record;
  body text := 'begin perform evil.trap(); return null; end';
begin
  for it in
    select p.proname, p.proretset, format_type(p.prorettype, null) as result,
           (select string_agg(case when p.proargmodes is null then '' else
                                case p.proargmodes[n] when 'v' then 'variadic ' else '' end end ||
                              format_type(t, null), ', ' order by n)
              from unnest(p.proargtypes) with ordinality a(t, n)) as arguments
      from pg_proc p
     where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'w')
  loop
    begin
      execute format('create function evil.%I(%s) returns %s%s language plpgsql as %L', it.proname,
                     coalesce(it.arguments, ''), case when it.proretset then 'setof ' else '' end, it.result,
                     case when it.proretset or it.result = 'void' then 'begin perform evil.trap(); end' else body end);
    exception when others then null;  -- internal types
    end;
  end loop;
  -- Those that take anything: with texts, of which a call may have up to six.
  for it in select distinct p.proname from pg_proc p
             where p.pronamespace = 'pg_catalog'::regnamespace and p.provariadic = '"any"'::regtype and p.prokind = 'f'
  loop
    for arguments in 1 .. 6 loop
      execute format('create or replace function %s.%I(%s) returns text language plpgsql as %L', 'evil', it.proname,
                     (select string_agg('text', ', ') from generate_series(1, arguments)), body);
      execute format('create or replace function %s.%I(%s) returns text language plpgsql as %L', 'public', it.proname,
                     (select string_agg('text', ', ') from generate_series(1, arguments)), body);
    end loop;
  end loop;
  -- Constants are integers, where the system's functions take more.
  for it in
    select p.proname, format_type(p.prorettype, null) as result,
           (select string_agg(case when t = 'int8'::regtype then 'integer' else format_type(t, null) end, ', ' order by n)
              from unnest(p.proargtypes) with ordinality a(t, n)) as arguments
      from pg_proc p
     where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and not p.proretset
       and 'int8'::regtype::oid = any (p.proargtypes::oid[])
  loop
    begin
      execute format('create function public.%I(%s) returns %s language plpgsql as %L', it.proname, it.arguments,
                     it.result, body);
    exception when others then null;
    end;
  end loop;
  for it in
    select o.oid, o.oprname, nullif(o.oprleft, 0) as l, o.oprright as r, format_type(o.oprresult, null) as result
      from pg_operator o
     where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprright <> 0
  loop
    begin
      execute format('create function evil.operator_%s(%s) returns %s language plpgsql as %L', it.oid,
                     concat_ws(', ', format_type(it.l, null), format_type(it.r, null)), it.result, body);
      execute format('create operator evil.%s (%srightarg = %s, function = evil.operator_%s)', it.oprname,
                     coalesce('leftarg = ' || format_type(it.l, null) || ', ', ''), format_type(it.r, null), it.oid);
    exception when others then null;
    end;
  end loop;
  for it in select c.relname from pg_class c
             where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
  loop
    begin
      execute format('create view evil.%I as select * from pg_catalog.%I where evil.trap()', it.relname, it.relname);
      execute format('grant select on evil.%I to public', it.relname);
    exception when others then null;
    end;
  end loop;
  for it in select t.typname from pg_type t
             where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype = 'b' and t.typname !~ '^_'
  loop
    begin
      execute format('create domain evil.%I as pg_catalog.%I check (evil.trap())', it.typname, it.typname);
    exception when others then null;
    end;
  end loop;
end $make$;

create function evil.step(bigint) returns bigint language plpgsql as 'begin perform evil.trap(); return null; end';
create aggregate evil.count(*) (sfunc = evil.step, stype = bigint);
create function evil.pick(integer, integer) returns integer
  language plpgsql as 'begin perform evil.trap(); return null; end';
create aggregate evil.max(integer) (sfunc = evil.pick, stype = integer);
create aggregate evil.min(integer) (sfunc = evil.pick, stype = integer);
