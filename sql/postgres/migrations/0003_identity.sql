-- What an epoch is of, in full; bounds for what one party puts into the log and all others read; a log whose rows
-- may be deleted by hand. Programs of version 2 go on until they reconnect.
-- It also grants what 0002_roles.sql grants, as far as it may, so it follows 0001 where 0002 could not run.
begin;

set local search_path = pg_catalog, pg_temp;
-- Whoever waits for an exclusive lock on the log holds up all writes behind it.
set local lock_timeout = '5s';

alter table querymark.meta
  -- The oid of the table that held the incarnation, and the transaction that put its row there: pg_dump carries the
  -- row, and a restore brings it back into a new table, or by another transaction.
  add column incarnation_table oid,
  add column incarnation_xmin  xid,
  -- The server's start: a folder put back from a cold copy, and a clone, look like a clean restart.
  add column started_at        timestamptz;

-- The history that this database is in, as each statement of the log and each new connection must find it. `adopted`:
-- the epoch is that of this very server and its incarnation. A view's operators are those of its creation, whatever
-- its caller's search_path says.
create view querymark.history as
select m.database_id, m.epoch, m.floor,
       coalesce(m.database_oid = d.oid and m.incarnation = i.id and m.incarnation_table = i.tableoid
                and m.incarnation_xmin = i.xmin and m.started_at = pg_postmaster_start_time(), false) as adopted
  from querymark.meta m
  left join querymark.incarnation i on true
  left join pg_database d on d.datname = current_database()
 where m.id = 1;

-- As adopt(), for a consumer that in epoch `known` has seen ids below `seen` given out: a server that has yet to give
-- them out is in another history (a machine put back to an earlier state), whatever else is the same.
-- Looks before it locks, so whoever keeps a transaction open in it holds nobody up while the epoch stands.
create function querymark.adopt(known text, seen xid8) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
declare
  found_epoch text;
  system_id   bigint;
  line        text;
begin
  if pg_is_in_recovery() then
    raise exception 'querymark: this server is a standby; connect to the primary'
      using errcode = 'read_only_sql_transaction';
  end if;
  select c.system_identifier into system_id from pg_control_system() c;
  -- pg_control_checkpoint() would go on to name the old timeline for seconds after a promotion.
  line := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
  for look in 1 .. 2 loop
    select h.epoch into found_epoch
      from querymark.history h
     where h.adopted
       and exists (select from querymark.meta m where m.system_identifier = system_id and m.timeline = line)
       and not (h.epoch = known and seen > pg_snapshot_xmax(pg_current_snapshot()));
    if found then
      return found_epoch;
    end if;
    exit when look = 2;
    -- One adopter at a time; the others find its work.
    begin
      perform from querymark.meta m where m.id = 1 for update;
      if not found then
        raise exception 'querymark: querymark.meta is empty; restore it or migrate anew';
      end if;
      insert into querymark.incarnation default values on conflict do nothing;
    exception when lock_not_available then
      raise exception 'querymark: another session keeps the adoption of this database open'
        using errcode = 'lock_not_available',
              hint = 'Find it by "select pid, query from pg_stat_activity where state = ''idle in transaction''".';
    end;
  end loop;
  if (select c.relpersistence <> 'u' from pg_class c where c.oid = (select i.tableoid from querymark.incarnation i)) then
    raise exception 'querymark: a crash must empty querymark.incarnation, which is no longer unlogged'
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Run "alter table querymark.incarnation set unlogged".';
  end if;
  -- Whoever acts on the new epoch must find it again after a crash, whatever the session has set.
  if current_setting('synchronous_commit') in ('off', 'local') then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  -- Old positions mean nothing any more, and no reader begins below the new floor. The latest first: those may lie
  -- ahead of this server, and would be read once it has come there. Bounded, since nobody gets on meanwhile.
  delete from querymark.log l
   using (select o.id from querymark.log o order by o.xid desc, o.id desc limit 20000) old
   where l.id = old.id;
  -- Also for a database that nobody has adopted yet: copies of it would else share an epoch.
  found_epoch := replace(gen_random_uuid()::text, '-', '');
  update querymark.meta m
     set epoch = found_epoch,
         -- Kept by what can be a restart, a crash or a failover; new where it shows that the data was brought here.
         database_id = case when m.system_identifier = system_id and m.database_oid = d.oid
                             and coalesce(m.incarnation_table, i.tableoid) = i.tableoid
                             and (m.incarnation <> i.id or coalesce(m.incarnation_xmin, i.xmin) = i.xmin)
                            then m.database_id
                            else replace(gen_random_uuid()::text, '-', '') end,
         system_identifier = system_id, timeline = line, database_oid = d.oid, incarnation = i.id,
         incarnation_table = i.tableoid, incarnation_xmin = i.xmin, started_at = pg_postmaster_start_time(),
         -- Not above an id that is still running: its rows come with its commit.
         floor = pg_snapshot_xmin(pg_current_snapshot())
    from querymark.incarnation i, pg_database d
   where m.id = 1 and d.datname = current_database();
  return found_epoch;
end $$;
revoke all on function querymark.adopt(text, xid8) from public;

create or replace function querymark.adopt() returns text
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
  select querymark.adopt('', '0'::xid8)
$$;

-- Rows may be deleted from the log at any time, by whoever may: the floor follows them in the same transaction, and a
-- consumer that has not seen them starts again. Cheapest for rows older than every open transaction: a floor above an
-- id that is in progress makes consumers start again at each look until that id ends.
--   delete from querymark.log where created_at < now() - interval '1 day';
create function querymark.raise_floor() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- Nothing at or above it has been given out: rows there are of a foreign history, and no cursor's business.
  ahead xid8 := pg_snapshot_xmax(pg_current_snapshot());
  bound xid8 := ahead;
begin
  if tg_op = 'DELETE' then
    select (g.xid::text::numeric + 1)::text::xid8 into bound
      from gone g where g.xid < ahead order by g.xid desc limit 1;
  end if;
  update querymark.meta m set floor = bound where m.id = 1 and m.floor < bound;
  return null;
end $$;
revoke all on function querymark.raise_floor() from public;

create trigger deleted after delete on querymark.log referencing old table as gone
  for each statement execute function querymark.raise_floor();
create trigger truncated after truncate on querymark.log
  for each statement execute function querymark.raise_floor();
alter table querymark.log enable always trigger deleted, enable always trigger truncated;

-- The library's own limits. Every consumer fetches what any writer puts here. Rows that are there already stay; the
-- tail fetches no longer target than this from them.
alter table querymark.log
  add constraint log_namespace_size check (octet_length(namespace) <= 200) not valid,
  add constraint log_target_size check (octet_length(target) <= 1024) not valid,
  add constraint log_reason_size check (octet_length(reason) <= 500) not valid;
alter table querymark.consumer
  add constraint consumer_namespace_size check (octet_length(namespace) <= 200) not valid,
  add constraint consumer_owner_size check (octet_length(owner) <= 200) not valid;

-- A NULL segment is refused: it would leave the target of its neighbours alone, another one than was meant.
create or replace function querymark.target(variadic segments text[]) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
  if coalesce(cardinality(segments), 0) = 0 then
    raise exception 'querymark: a target needs a segment' using errcode = 'null_value_not_allowed';
  end if;
  if exists (select from unnest(segments) s where s is null) then
    raise exception 'querymark: a segment of the target is NULL: %', segments
      using errcode = 'null_value_not_allowed';
  end if;
  return (select string_agg(replace(replace(s, '%', '%25'), ':', '%3A'), ':' order by n)
            from unnest(segments) with ordinality as u(s, n));
end $$;

-- Refuses what consumers could not read: they would take it for a flush.
create or replace function querymark.invalidate(namespace text, kind text, target text default '',
                                                reason text default null)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
  if namespace is null or octet_length(namespace) > 200 then
    raise exception 'querymark: the namespace is NULL, or longer than 200 bytes'
      using errcode = 'invalid_parameter_value';
  end if;
  if kind is null or kind not in ('key', 'tag', 'entity', 'collection', 'flush') then
    raise exception 'querymark: % is no kind of target: use key, tag, entity, collection or flush',
      coalesce(quote_literal(left(kind, 60)), 'NULL') using errcode = 'invalid_parameter_value';
  end if;
  if kind <> 'flush' then
    if coalesce(target, '') = '' then
      raise exception 'querymark: the target is NULL or empty; to invalidate everything, use the kind flush'
        using errcode = 'invalid_parameter_value';
    end if;
    if octet_length(target) > 1024 then
      raise exception 'querymark: a target of % bytes is longer than 1024; hash long identifiers first',
        octet_length(target) using errcode = 'invalid_parameter_value';
    end if;
    if target ~ '%(?!25|3A)' then
      raise exception 'querymark: % in the target % does not begin an escape; make targets by querymark.target(...)',
        '%', quote_literal(left(target, 60)) using errcode = 'invalid_parameter_value';
    end if;
    if kind = 'entity' and strpos(target, ':') = 0 then
      raise exception 'querymark: the entity % has no id; use querymark.target(''product'', ''7'')',
        quote_literal(left(target, 60)) using errcode = 'invalid_parameter_value';
    end if;
    if kind = 'key' and target !~ '^(sha256|name):' then
      raise exception 'querymark: the key % begins with neither sha256: nor name:', quote_literal(left(target, 60))
        using errcode = 'invalid_parameter_value';
    end if;
  end if;
  if octet_length(reason) > 500 then
    raise exception 'querymark: a reason of % bytes is longer than 500', octet_length(reason)
      using errcode = 'invalid_parameter_value';
  end if;
  insert into querymark.log (namespace, kind, target, reason)
  values (invalidate.namespace, invalidate.kind, coalesce(invalidate.target, ''), invalidate.reason);
end $$;

-- The group roles' rights (see 0002_roles.sql), those of this file among them. Roles belong to the whole server: a
-- member of querymark_writer appends to the log of every database with this schema that it may connect to, so it can
-- make all of them flush. Where that matters, revoke connect on the others, or grant rights by hand instead.
do $$
declare
  role    text;
  present text[];
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
    if exists (select from pg_roles where rolname = role) then
      present := present || role;
      execute format('grant usage on schema querymark to %I', role);
      execute format('grant select on querymark.schema, querymark.meta, querymark.history, querymark.log to %I', role);
      execute format('grant execute on function querymark.ring(text) to %I', role);
      if role = 'querymark_writer' then
        -- Not xid: its default is the only truth.
        grant insert (namespace, kind, target, reason, write_id) on querymark.log to querymark_writer;
        grant execute on function querymark.invalidate(text, text, text, text) to querymark_writer;
      else
        execute format('grant select on querymark.incarnation to %I', role);
        execute format('grant execute on function querymark.adopt(), querymark.adopt(text, xid8) to %I', role);
      end if;
    end if;
  end loop;
  if present @> array['querymark_worker'] then
    grant select, insert, update on querymark.consumer to querymark_worker;
  end if;
  if present @> array['querymark_worker', 'querymark_subscriber'] then
    begin
      if not pg_has_role('querymark_worker', 'querymark_subscriber', 'member') then
        grant querymark_subscriber to querymark_worker;
      end if;
    exception when insufficient_privilege then
      raise notice 'querymark: % may not make querymark_worker a member of querymark_subscriber; it was granted '
                   'the same rights here instead', current_user;
    end;
  end if;
end $$;

insert into querymark.schema (version, name) values (2, '0002_roles.sql') on conflict do nothing;
insert into querymark.schema (version, name) values (3, '0003_identity.sql');

commit;
