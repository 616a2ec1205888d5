-- What did not reach a shared target at once: deliveries, with attempts, deadlines and dead letters; a consumer's open
-- segment and its breaker. The log's key becomes its order. Programs of version 3 go on: their worker moves its cursor as
-- before, and counts no attempts.
begin;

set local search_path = pg_catalog, pg_temp;
-- Whoever waits for an exclusive lock on the log holds up all writes behind it.
set local lock_timeout = '5s';

-- One index serves all: the tail reads by (xid, id). By id alone the planner may read an all but empty log, in a plan
-- that is kept when it fills.
alter table querymark.log drop constraint log_pkey, add constraint log_pkey primary key (xid, id);
drop index querymark.log_position;

alter table querymark.consumer
  -- Claims of the segment behind the cursor that have not moved it: from the second on it goes row by row, since one of
  -- its rows may be what kills workers.
  add column segment_attempts    integer not null default 0 check (segment_attempts >= 0),
  -- A flush that is owed, in place of deliveries that have died: waits up to here stay open until it is paid.
  add column flush_required_upto xid8,
  -- For people, and for the worker that takes over: the target is down since, and why.
  add column down_since          timestamptz,
  add column down_reason         text check (octet_length(down_reason) <= 500);

create table querymark.delivery (
  id             bigint generated always as identity primary key,
  namespace      text not null,
  consumer       text not null,
  -- Positions count within it; waiting deliveries of another are superseded by that one's flush.
  epoch          text not null check (epoch ~ '^[0-9a-f]{32}$'),
  -- Equal targets of one page are one delivery: the first and the last of their positions.
  first_position xid8 not null,
  position       xid8 not null,
  -- Null when the log's row was malformed.
  kind           text,
  target         text,
  state          text not null check (state in ('pending', 'claimed', 'dead', 'expired', 'cancelled', 'superseded',
                                                'discarded')),
  -- The claim under which it is being applied: each step of its worker is guarded by it.
  token          bigint,
  -- Counted when claimed: what kills the worker is counted, too.
  attempts       integer not null default 0 check (attempts >= 0),
  available_at   timestamptz not null default clock_timestamp(),
  -- Past it, nothing that the target could hit is alive.
  deadline       timestamptz not null default 'infinity',
  last_error     text check (octet_length(last_error) <= 500),
  created_at     timestamptz not null default clock_timestamp(),
  changed_at     timestamptz not null default clock_timestamp(),
  check ((state = 'claimed') = (token is not null)),
  check (first_position <= position),
  check ((kind is null) = (target is null)),
  check (kind is not null or state not in ('pending', 'claimed'))
);

-- A row of the log becomes one delivery for a consumer, however often its segment is read.
create unique index delivery_row
  on querymark.delivery (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, ''));
-- What waits, by when it is due. Ended rows, which may be many, are not in it.
create index delivery_due on querymark.delivery (namespace, consumer, available_at) where state in ('pending', 'claimed');
-- What has ended, for operators, waits and retention.
create index delivery_ended on querymark.delivery (namespace, consumer, state, changed_at)
  where state not in ('pending', 'claimed');

-- Its rows are updated once or twice and deleted.
alter table querymark.delivery set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- As in 0003_identity.sql, by the log's new key.
create or replace function querymark.adopt(known text, seen xid8) returns text
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
   using (select o.xid, o.id from querymark.log o order by o.xid desc, o.id desc limit 20000) old
   where l.xid = old.xid and l.id = old.id;
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

-- The rights of the worker on what is new; the others have none on it. Where the role is missing, see 0002_roles.sql.
do $$
begin
  if exists (select from pg_roles where rolname = 'querymark_worker') then
    grant select, insert, update, delete on querymark.delivery to querymark_worker;
  end if;
  if exists (select from pg_roles where rolname = 'querymark_subscriber') then
    grant select on querymark.delivery, querymark.consumer to querymark_subscriber;  -- waits for shared targets
  end if;
end $$;

insert into querymark.schema (version, name) values (4, '0004_deliveries.sql');

commit;
