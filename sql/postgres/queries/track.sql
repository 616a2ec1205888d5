-- Triggers that report what writes change in tables. These run in the transaction of `track`, which has pinned
-- search_path to pg_catalog, pg_temp, but for the first.

-- What a name means on the session's path.
-- name: track_find
select pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid as oid

-- All tables that somebody has made: the roots of partitions and children.
-- name: track_all
select c.oid
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname !~ '^pg_'
   and n.nspname not in ('information_schema', 'querymark')
   and not exists (select from pg_inherits i where i.inhrelid = c.oid)
   and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
 order by n.nspname, c.relname

-- The name of a table ($1) for people, where it has letters that can't be told.
-- name: track_name_in_ascii
select regexp_replace(format('%s.%s', n.nspname, c.relname), '[^ -~]', '?', 'g') as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.oid = $1::oid

-- A table ($1), its root and all members, the root first, with the triggers that they have. $2: as `track` names them.
-- A temporary child is its session's own: no other reads it, or may change it.
-- name: track_members
with recursive up (oid) as (
  select $1::oid
   union
  select i.inhparent from up u join pg_inherits i on i.inhrelid = u.oid
), member (oid, depth) as (
  select u.oid, 0 from up u where not exists (select from pg_inherits i where i.inhrelid = u.oid)
   union
  select i.inhrelid, m.depth + 1
    from member m join pg_inherits i on i.inhparent = m.oid join pg_class c on c.oid = i.inhrelid
   where c.relpersistence <> 't'
)
select c.oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
       c.relpersistence::text as persistence, format('%I.%I', n.nspname, c.relname) as quoted,
       (select count(*) from pg_inherits i where i.inhrelid = c.oid) as parents,
       n.nspname in ('pg_catalog', 'information_schema', 'querymark') as system,
       exists (select from pg_subscription_rel s where s.srrelid = c.oid) as subscribed,
       array(select g.tgname::text || ' ' || g.tgenabled::text || ' ' || (g.tgtype & 1)::text || ' ' || p.proname
               from pg_trigger g join pg_proc p on p.oid = g.tgfoid
              where g.tgrelid = c.oid and not g.tgisinternal and g.tgname = any ($2::text[])
                and g.tgqual is null and cardinality(g.tgattr::int2[]) = 0
                and p.pronamespace = 'querymark'::regnamespace
              order by 1) as triggers
  from member m join pg_class c on c.oid = m.oid join pg_namespace n on n.oid = c.relnamespace
 group by c.oid, n.nspname, c.relname, c.relkind, c.relpersistence
 order by min(m.depth), c.oid

-- The columns of a table ($1), with what they are under their domains, and where they stand in its primary key.
-- name: track_columns
with recursive base (num, type, coll, depth) as (
  select a.attnum, a.atttypid, a.attcollation, 0
    from pg_attribute a where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
   union all
  select b.num, t.typbasetype, b.coll, b.depth + 1 from base b join pg_type t on t.oid = b.type and t.typtype = 'd'
)
select a.attname::text as name, quote_ident(a.attname) as quoted, format_type(a.atttypid, null) as type,
       t.oid in (20, 21, 23, 16, 2950) or t.typtype = 'e'
       or (t.oid in (25, 1043) and current_setting('server_encoding') = 'UTF8') as routable,
       not coalesce((select k.collisdeterministic from pg_collation k where k.oid = b.coll), true) as loose,
       t.typtype = 'e' or t.oid in (25, 1043) as escaped,
       array_position((select x.indkey::int2[] from pg_index x where x.indrelid = $1 and x.indisprimary), a.attnum) as key
  from base b join pg_type t on t.oid = b.type and t.typtype <> 'd'
       join pg_attribute a on a.attrelid = $1 and a.attnum = b.num
 order by a.attnum

-- The functions that report of a table, by the oid of its root ($1), and whether others than its members ($2) use them.
-- name: track_functions
select p.proname::text as name, p.prosrc as source,
       p.prosecdef and coalesce(p.proconfig = array['search_path=pg_catalog, pg_temp'], false) as safe,
       exists (select from pg_trigger g where g.tgfoid = p.oid and not (g.tgrelid = any ($2::oid[]))) as elsewhere
  from pg_proc p
 where p.pronamespace = 'querymark'::regnamespace and p.proname like 't\_' || $1::text || '\_%'

-- Whether the role may make event triggers, and which of ours there are.
-- name: track_events
select (select r.rolsuper from pg_roles r where r.rolname = current_user) as may,
       array(select e.evtname::text || ' ' || e.evtenabled::text
               from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
              where e.evtname in ('querymark_definitions', 'querymark_drops', 'querymark_departures')
                and p.pronamespace = 'querymark'::regnamespace
              order by 1) as events

-- Where event triggers are switched off as a whole, which PostgreSQL 17 can do: for all sessions of this kind, or for a
-- role or a database. What a session sets for itself nobody else sees. Values stand there as they were spelled.
-- name: track_silenced
select 'the server, or sessions like this one' as who, 'set event_triggers = on, and reload' as advice
  from pg_settings s where s.name = 'event_triggers' and s.reset_val <> 'on'
   and s.source not in ('global', 'database', 'user', 'database user')
union all
select concat_ws(' in ', coalesce('the role ' || r.rolname, case when d.oid is null then 'all roles' end),
                 'the database ' || d.datname),
       'alter ' || concat_ws(' in ', coalesce('role ' || quote_ident(r.rolname), case when d.oid is null then 'role all' end),
                             'database ' || quote_ident(d.datname)) || ' reset event_triggers, and reconnect'
  from pg_db_role_setting g left join pg_database d on d.oid = g.setdatabase left join pg_roles r on r.oid = g.setrole,
       unnest(g.setconfig) as c (setting)
 where (g.setdatabase = 0 or d.datname = current_database()) and split_part(c.setting, '=', 1) = 'event_triggers'
   and lower(split_part(c.setting, '=', 2)) not in ('on', 'true', 'tru', 'tr', 't', 'yes', 'ye', 'y', '1')

-- name: track_report_definitions
insert into querymark.log (namespace, kind, target) values ('*', 'schema', 'schema')
