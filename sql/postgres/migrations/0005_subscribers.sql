-- The log's life: who follows it, and what of it may be gone. Programs of version 4 go on until they reconnect: they stay
-- fresh, send no heartbeats, and so nobody waits for them.
begin;

set local search_path = pg_catalog, pg_temp;
-- Whoever waits for an exclusive lock on querymark.meta holds up all reads of the log behind it.
set local lock_timeout = '5s';

-- One row for each process that follows the log. Unlogged: a heartbeat waits for no disk and for no standby. A crash
-- empties it, and starts a new epoch anyway; whose heartbeat finds no row enters again.
create unlogged table querymark.subscriber (
  id          bigint primary key,  -- random for each start
  namespace   text not null check (octet_length(namespace) <= 200),
  -- Moves on with each heartbeat. Who stands still for its lease, by the clock of whoever looks, is dead.
  beat        bigint not null default 1,
  lease_ms    bigint not null check (lease_ms > 0),
  -- Up to where it has applied the log. Null: it has yet to say so.
  epoch       text check (epoch ~ '^[0-9a-f]{32}$'),
  cursor      pg_snapshot,
  -- For people.
  application text check (octet_length(application) <= 200),
  host        text check (octet_length(host) <= 200),
  pid         bigint,
  version     text check (octet_length(version) <= 50),
  entered_at  timestamptz not null default clock_timestamp(),
  beat_at     timestamptz not null default clock_timestamp(),
  check ((epoch is null) = (cursor is null))
);

-- Each row is updated every second or two: room for that on its page, and no index moves.
alter table querymark.subscriber
  set (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- What was known once, one snapshot a minute: the newest that is older than the retention bounds what may go. They count
-- within an epoch, and whatever empties this table starts another.
create unlogged table querymark.snapshot (
  epoch       text not null check (epoch ~ '^[0-9a-f]{32}$'),
  snapshot    pg_snapshot not null,
  recorded_at timestamptz not null default clock_timestamp()
);
create index snapshot_recorded on querymark.snapshot (recorded_at);

alter table querymark.meta
  -- Rows that it covers may be gone, all others are there: never an id that is running. `floor`, which programs of before
  -- go by, is its xmax.
  add column pruned  pg_snapshot,
  -- No row below is left: where the next removal begins, past what vacuum has yet to clear away.
  add column emptied xid8 not null default '0';
update querymark.meta set pruned = (floor::text || ':' || floor::text || ':')::pg_snapshot;
alter table querymark.meta alter column pruned set not null;

create or replace view querymark.history as
select m.database_id, m.epoch, m.floor,
       coalesce(m.database_oid = d.oid and m.incarnation = i.id and m.incarnation_table = i.tableoid
                and m.incarnation_xmin = i.xmin and m.started_at = pg_postmaster_start_time(), false) as adopted,
       m.pruned
  from querymark.meta m
  left join querymark.incarnation i on true
  left join pg_database d on d.datname = current_database()
 where m.id = 1;

-- A snapshot that covers what either of two covers, both of this server's history.
create function querymark.either(a pg_snapshot, b pg_snapshot) returns pg_snapshot
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
  with unknown (id) as (
    select u.id from (select pg_snapshot_xip(a) as id union select pg_snapshot_xip(b)) u
     where not pg_visible_in_snapshot(u.id, a) and not pg_visible_in_snapshot(u.id, b)
  ), bound (id) as (
    select greatest(pg_snapshot_xmax(a), pg_snapshot_xmax(b))
  )
  select concat(coalesce((select u.id from unknown u order by u.id limit 1), b.id), ':', b.id, ':',
                (select string_agg(u.id::text, ',' order by u.id) from unknown u))::pg_snapshot
    from bound b
$$;

-- Of what a snapshot covers, what lies below an id that is at most its xmax.
create function querymark.below(s pg_snapshot, bound xid8) returns pg_snapshot
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
  with unknown (id) as (select i.id from pg_snapshot_xip(s) i (id) where i.id < bound)
  select concat(coalesce((select u.id from unknown u order by u.id limit 1), bound), ':', bound, ':',
                (select string_agg(u.id::text, ',' order by u.id) from unknown u))::pg_snapshot
$$;
revoke all on function querymark.either(pg_snapshot, pg_snapshot), querymark.below(pg_snapshot, xid8) from public;

-- Rows may be deleted from the log at any time, by whoever may: `pruned` follows them in the same transaction, and a
-- consumer that has not seen them starts again.
--   delete from querymark.log where created_at < now() - interval '1 day';
create or replace function querymark.raise_floor() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- What a deletion can see, this covers.
  known pg_snapshot := pg_current_snapshot();
  -- Nothing at or above it has been given out: rows there are of a foreign history, and no cursor's business.
  ahead xid8 := pg_snapshot_xmax(known);
  bound xid8 := ahead;
begin
  if tg_op = 'DELETE' then
    select (g.xid::text::numeric + 1)::text::xid8 into bound
      from gone g, querymark.meta m
     where m.id = 1 and g.xid < ahead and not pg_visible_in_snapshot(g.xid, m.pruned)
     order by g.xid desc limit 1;
  elsif current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'querymark: truncate the log in READ COMMITTED: an older snapshot can''t tell what is gone';
  end if;
  update querymark.meta m
     set pruned = querymark.either(m.pruned, querymark.below(known, bound)), floor = greatest(m.floor, bound)
   where m.id = 1 and bound is not null;
  return null;
end $$;

-- As in 0004_deliveries.sql, with what may be gone.
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
         floor = pg_snapshot_xmin(pg_current_snapshot()), pruned = pg_current_snapshot(), emptied = '0'
    from querymark.incarnation i, pg_database d
   where m.id = 1 and d.datname = current_database();
  return found_epoch;
end $$;

-- Who follows the log has a row of its own; the worker prunes. Where a role is missing, see 0002_roles.sql.
do $$
declare
  role text;
begin
  foreach role in array array['querymark_subscriber', 'querymark_worker'] loop
    if exists (select from pg_roles where rolname = role) then
      execute format('grant select, insert, update, delete on querymark.subscriber to %I', role);
    end if;
  end loop;
  if exists (select from pg_roles where rolname = 'querymark_worker') then
    grant delete on querymark.log to querymark_worker;
    grant update (pruned, floor, emptied) on querymark.meta to querymark_worker;
    grant select, insert, delete on querymark.snapshot to querymark_worker;
    grant execute on function querymark.either(pg_snapshot, pg_snapshot) to querymark_worker;
  end if;
end $$;

insert into querymark.schema (version, name) values (5, '0005_subscribers.sql');

commit;
