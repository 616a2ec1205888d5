-- What the catalogue says of what a query's tree names. These run inside the transaction of an analysis, which has
-- pinned search_path to pg_catalog, pg_temp.

-- What parameters a statement has that was prepared under this name, and whether the session has a schema for what is
-- temporary. Runs outside.
-- name: analysed_parameters
select p.parameter_types::pg_catalog.oid[] as types,
       array(select pg_catalog.format_type(t.type, null)
               from pg_catalog.unnest(p.parameter_types::pg_catalog.oid[]) with ordinality as t (type, n)
              order by t.n) as names
  from pg_catalog.pg_prepared_statements p
 where p.name operator(pg_catalog.=) $1::pg_catalog.text

-- What names ($1) stand for, by the session's own search_path.
-- name: promised_reads
select n.name, coalesce(pg_catalog.to_regclass(n.name)::pg_catalog.oid, 0::pg_catalog.oid) as oid
  from (select distinct t.name from pg_catalog.unnest($1::pg_catalog.text[]) as t (name)) as n

-- Relations ($1), with what their triggers report. All members of a table must report alike: its partitions and
-- children, wherever writes go. What triggers report is told by the head of their function's text. Where a subscription
-- writes, only those hear of it that fire for each row. Other sessions' temporary children are of no query here.
-- name: analysed_relations
with recursive up (start, oid) as (
  select a.oid, a.oid from unnest($1::oid[]) as a (oid)
   union
  select u.start, i.inhparent from up u join pg_inherits i on i.inhrelid = u.oid
), root (start, oid) as (
  select u.start, u.oid from up u where not exists (select from pg_inherits i where i.inhrelid = u.oid)
), member (start, oid) as (
  select r.start, r.oid from root r
   union
  select m.start, i.inhrelid
    from member m join pg_inherits i on i.inhparent = m.oid join pg_class c on c.oid = i.inhrelid
   where c.relpersistence <> 't' or c.relnamespace = pg_my_temp_schema()
), reported (start, oid, kind, parents, triggers, by_row, subscribed, heads) as (
  select m.start, m.oid, c.relkind, (select count(*) from pg_inherits i where i.inhrelid = m.oid),
         t.triggers, t.by_row, exists (select from pg_subscription_rel s where s.srrelid = m.oid), t.heads
    from member m join pg_class c on c.oid = m.oid,
         lateral (select count(*) as triggers,
                         count(*) filter (where (g.tgtype & 1) = 1 or g.tgname = 'querymark_truncate') as by_row,
                         array_agg(distinct split_part(p.prosrc, E'\n', 2) || E'\n' || split_part(p.prosrc, E'\n', 3)) as heads
                    from pg_trigger g join pg_proc p on p.oid = g.tgfoid
                   where g.tgrelid = m.oid and not g.tgisinternal and g.tgenabled = 'A' and g.tgqual is null
                     and cardinality(g.tgattr::int2[]) = 0 and p.pronamespace = 'querymark'::regnamespace
                     and p.proname like 't\_%' and p.prolang = (select l.oid from pg_language l where l.lanname = 'plpgsql')
                     and g.tgname in ('querymark_insert', 'querymark_update', 'querymark_delete', 'querymark_truncate')) t
)
select c.oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
       c.relpersistence::text as persistence, c.relrowsecurity as row_security,
       n.nspname in ('pg_catalog', 'information_schema', 'pg_toast', 'querymark') as system,
       (select w.ev_action::text from pg_rewrite w
         where w.ev_class = c.oid and w.rulename = '_RETURN' and c.relkind = 'v') as rule,
       array(select a.attnum::int4 from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
       array(select a.attname::text from pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as names,
       array(select array_to_string(array(select a.attname from unnest(x.indkey::int2[]) k join pg_attribute a
                                            on a.attrelid = c.oid and a.attnum = k order by a.attname), E'\n')
               from pg_index x
              where x.indrelid = c.oid and x.indisunique and x.indpred is null and x.indexprs is null
                and x.indnkeyatts = x.indnatts) as uniques,
       (select bool_or(r.parents > 1) from reported r where r.start = c.oid) as tangled,
       (select bool_or(r.kind = 'f') from reported r where r.start = c.oid) as partly_foreign,
       (select count(*) from reported r where r.start = c.oid and r.triggers <> 4) as silent,
       (select count(*) from reported r where r.start = c.oid) as members,
       (select bool_or(r.subscribed) and bool_or(r.kind = 'r' and r.by_row <> 4)
          from reported r where r.start = c.oid) as unheard,
       array(select distinct h from reported r, unnest(r.heads) h where r.start = c.oid) as heads
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.oid = any ($1::oid[])

-- Functions ($1), and those of operators ($2).
-- name: analysed_functions
select p.oid, n.nspname::text as schema, p.proname::text as name,
       pg_get_function_identity_arguments(p.oid) as arguments, p.provolatile::text as volatility,
       p.oid < 16384 as own,
       exists (select from pg_depend d
                where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e') as extension,
       -- What arguments are when they are left out: the server fills that in where it plans. A list of both.
       case when p.pronargdefaults = 0 then p.prosqlbody::text
            else '(' || p.prosqlbody::text || ' ' || p.proargdefaults::text || ')' end as body,
       array(select o.oid from pg_operator o where o.oid = any ($2::oid[]) and o.oprcode = p.oid) as operators
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where p.oid = any ($1::oid[])
    or p.oid = any (array(select o.oprcode::oid from pg_operator o where o.oid = any ($2::oid[])))

-- Types ($1), and those that they are made of.
-- name: analysed_types
with recursive made (oid, of_oid) as (
  select t.oid, coalesce(nullif(t.typelem, 0), nullif(t.typbasetype, 0),
                         (select r.rngsubtype from pg_range r where r.rngtypid = t.oid or r.rngmultitypid = t.oid), 0::oid)
    from pg_type t where t.oid = any ($1::oid[])
   union
  select t.oid, coalesce(nullif(t.typelem, 0), nullif(t.typbasetype, 0),
                         (select r.rngsubtype from pg_range r where r.rngtypid = t.oid or r.rngmultitypid = t.oid), 0::oid)
    from made m join pg_type t on t.oid = m.of_oid
)
select t.oid, format_type(t.oid, null) as name, t.typtype::text as kind, t.oid < 16384 as own,
       t.typcategory = 'A' as is_array, p.provolatile::text as input, m.of_oid as element,
       -- Roles get other names without a word: they belong to no database.
       exists (with recursive part (oid) as (
                 select t.oid
                  union
                 select more.oid
                   from part join pg_type y on y.oid = part.oid,
                        lateral (select y.typelem union all select y.typbasetype
                                 union all select r.rngsubtype from pg_range r where y.oid in (r.rngtypid, r.rngmultitypid)
                                 union all select a.atttypid from pg_attribute a
                                            where a.attrelid = y.typrelid and a.attnum > 0 and not a.attisdropped) more (oid)
               ) select from part where oid in ('regrole'::regtype, 'aclitem'::regtype)) as names_roles,
       exists (select from pg_depend d
                where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e') as extension,
       array(select e.oid from pg_enum e where e.enumtypid = t.oid order by e.oid) as labels,
       array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.oid) as label_names
  from made m join pg_type t on t.oid = m.oid left join pg_proc p on p.oid = t.typinput

-- What tells of changed definitions, in a text that stays equal for as long as nothing changes: the event triggers that
-- report them and, if asked for ($1), each version of each row by which somebody has defined something. What is
-- temporary does not count: every analysis makes some, and rolls it back.
-- name: definitions_now
with named (oid) as (
  select n.oid from pg_namespace n where n.nspname !~ '^pg_(toast_)?temp_'
), relation (oid, version) as (
  select c.oid, c.xmin from pg_class c
   where c.oid >= 16384 and c.relpersistence <> 't' and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
), piece (kind, id, version) as (
  select 'class', r.oid::text, r.version from relation r
  union all select 'attribute', a.attrelid || '.' || a.attnum, a.xmin from pg_attribute a join relation r on r.oid = a.attrelid
                    where a.attnum > 0
  union all select 'default', d.oid::text, d.xmin from pg_attrdef d join relation r on r.oid = d.adrelid
  union all select 'rewrite', w.oid::text, w.xmin from pg_rewrite w join relation r on r.oid = w.ev_class
  union all select 'policy', p.oid::text, p.xmin from pg_policy p
  union all select 'trigger', t.oid::text, t.xmin from pg_trigger t join relation r on r.oid = t.tgrelid
  union all select 'inherits', i.inhrelid || '.' || i.inhparent, i.xmin from pg_inherits i join relation r on r.oid = i.inhrelid
  union all select 'function', p.oid::text, p.xmin from pg_proc p join named n on n.oid = p.pronamespace where p.oid >= 16384
  union all select 'aggregate', a.aggfnoid::oid::text, a.xmin from pg_aggregate a where a.aggfnoid::oid >= 16384
  union all select 'type', t.oid::text, t.xmin from pg_type t join named n on n.oid = t.typnamespace
                    where t.oid >= 16384 and (t.typrelid = 0 or t.typrelid in (select r.oid from relation r))
  union all select 'label', e.oid::text, e.xmin from pg_enum e
  union all select 'range', r.rngtypid::text, r.xmin from pg_range r where r.rngtypid >= 16384
  union all select 'constraint', c.oid::text, c.xmin from pg_constraint c
                    where c.oid >= 16384 and (c.conrelid = 0 or c.conrelid in (select r.oid from relation r))
  union all select 'operator', o.oid::text, o.xmin from pg_operator o where o.oid >= 16384
  union all select 'cast', c.oid::text, c.xmin from pg_cast c where c.oid >= 16384
  union all select 'collation', c.oid::text, c.xmin from pg_collation c where c.oid >= 16384
  union all select 'schema', s.oid::text, s.xmin from pg_namespace s join named n on n.oid = s.oid
  union all select 'texts', m.mapcfg || '.' || m.maptokentype || '.' || m.mapseqno, m.xmin from pg_ts_config_map m
  union all select 'dictionary', d.oid::text, d.xmin from pg_ts_dict d where d.oid >= 16384
  union all select 'subscribed', s.srsubid || '.' || s.srrelid, '0'::xid from pg_subscription_rel s
)
select array_to_string(array(select concat_ws(' ', e.oid, e.evtname, e.evtenabled, e.evtfoid, e.xmin, p.xmin)
                               from pg_event_trigger e left join pg_proc p on p.oid = e.evtfoid
                              where e.evtname in ('querymark_definitions', 'querymark_drops', 'querymark_departures') order by 1), ', ')
       || coalesce('; ' || nullif(current_setting('event_triggers', true), 'on'), '')
       || array_to_string(array(select concat_ws(' ', '; ', g.setdatabase, g.setrole, c.setting)
                                  from pg_db_role_setting g, unnest(g.setconfig) as c (setting)
                                 where c.setting like 'event\_triggers=%' order by 1), ', ')
       || case when $1::bool
               then (select concat_ws(' ', '; ', count(*),
                                      sum(hashtextextended(concat_ws(' ', k.kind, k.id, k.version), 0)::numeric)) from piece k)
               else '' end as state

-- The database itself: which collations take unlike texts for equal, how texts are encoded, and whether event
-- triggers report changes of definitions.
-- name: analysed_database
select array(select c.oid from pg_collation c where not c.collisdeterministic) as loose,
       current_setting('server_encoding') = 'UTF8' as utf8,
       -- What makes JSON of a value of a type that somebody has made, unless it depends on nothing else for sure.
       array(select distinct k.castfunc::oid
               from pg_cast k join pg_proc p on p.oid = k.castfunc
              where k.casttarget = 'json'::regtype and k.oid >= 16384
                and not (p.provolatile = 'i'
                         and exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                                                               and d.deptype = 'e'))) as json_casts,
       (select count(*) = 3 from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
         where e.evtname in ('querymark_definitions', 'querymark_drops', 'querymark_departures') and e.evtenabled = 'A'
           and p.pronamespace = 'querymark'::regnamespace)
       -- All of them at once can be switched off (PostgreSQL 17), where nobody knows of a setting that says so.
       and current_setting('event_triggers', true) is distinct from 'off'
       and not exists (select from pg_db_role_setting g, unnest(g.setconfig) as c (setting)
                        where g.setdatabase in (0, (select d.oid from pg_database d where d.datname = current_database()))
                          and split_part(c.setting, '=', 1) = 'event_triggers'
                          and lower(split_part(c.setting, '=', 2))
                              not in ('on', 'true', 'tru', 'tr', 't', 'yes', 'ye', 'y', '1')) as reports_definitions

-- Where the extension is that counts statements.
-- name: statements_schema
select n.nspname::text as schema
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
 where e.extname = 'pg_stat_statements'
