-- For operators, on the log's own session. Each is cheap at any size of the tables: what is counted is counted to a bound.

-- name: inspect_database
select m.database_id, m.epoch, m.floor::text, (select max(s.version) from querymark.schema s) as schema,
       (extract(epoch from clock_timestamp()) * 1000)::bigint as now,
       (select (extract(epoch from clock_timestamp() - l.created_at) * 1000)::bigint
          from querymark.log l where l.xid >= m.emptied order by l.xid, l.id limit 1) as oldest
  from querymark.meta m
 where m.id = 1

-- $1 a namespace, or '' for all. What a consumer has yet to apply is looked for among the next 100,000 rows, whosever they
-- are; deliveries are counted to `bound`. `forgetting`: what an operator runs.
-- name: inspect_consumers
select c.namespace, c.name, case when c.lease_until > clock_timestamp() then c.owner end as owner,
       c.epoch is not distinct from m.epoch as current, c.cursor::text, c.segment_attempts as attempts,
       c.flush_required_upto is not null as owes_flush,
       (extract(epoch from clock_timestamp() - c.down_since) * 1000)::bigint as down, c.down_reason,
       coalesce(b.behind, 0) as behind, coalesce(b.seen >= 100000, false) as behind_more,
       (extract(epoch from clock_timestamp() - b.oldest) * 1000)::bigint as lag, 10000 as bound,
       (select count(*) from (select from querymark.delivery d
                               where d.namespace = c.namespace and d.consumer = c.name and d.state in ('pending', 'claimed')
                               limit 10001) x) as waiting,
       (select count(*) from (select from querymark.delivery d
                               where d.namespace = c.namespace and d.consumer = c.name and d.state = 'dead'
                               limit 10001) x) as dead,
       (select count(*) from (select from querymark.delivery d
                               where d.namespace = c.namespace and d.consumer = c.name and d.state = 'expired'
                               limit 10001) x) as expired,
       format('delete from querymark.delivery where namespace = %1$L and consumer = %2$L; '
              'delete from querymark.consumer where namespace = %1$L and name = %2$L;', c.namespace, c.name) as forgetting
  from querymark.consumer c
  join querymark.meta m on m.id = 1
  left join lateral (
    select count(*) filter (where r.namespace in (c.namespace, '*')) as behind, count(*) as seen,
           min(r.created_at) filter (where r.namespace in (c.namespace, '*')) as oldest
      from (
        (select l.namespace, l.created_at from querymark.log l
          where l.xid = any (array(select pg_snapshot_xip(c.cursor))) limit 100000)
        union all
        (select l.namespace, l.created_at from querymark.log l
          where l.xid >= pg_snapshot_xmax(c.cursor) and l.xid < pg_snapshot_xmax(pg_current_snapshot())
          order by l.xid, l.id limit 100000)
      ) r
  ) b on c.epoch = m.epoch
 where $1::text = '' or c.namespace = $1
 order by c.namespace, c.name

-- The same for any cursor ($2) of this history, among the next $3 rows.
-- name: inspect_behind
select count(*) filter (where r.namespace in ($1, '*')) as behind, count(*) >= $3::bigint as behind_more,
       (extract(epoch from clock_timestamp() - min(r.created_at) filter (where r.namespace in ($1, '*'))) * 1000)::bigint as lag
  from (
    (select l.namespace, l.created_at from querymark.log l
      where l.xid = any (array(select pg_snapshot_xip($2::text::pg_snapshot))) limit $3::bigint)
    union all
    (select l.namespace, l.created_at from querymark.log l
      where l.xid >= pg_snapshot_xmax($2::text::pg_snapshot) and l.xid < pg_snapshot_xmax(pg_current_snapshot())
      order by l.xid, l.id limit $3::bigint)
  ) r

-- name: inspect_rows
select l.id, l.reason, (extract(epoch from l.created_at) * 1000)::bigint as created_at
  from unnest($1::text[], $2::bigint[]) u (xid, id)
  join querymark.log l on l.xid = u.xid::xid8 and l.id = u.id

-- What hurts, with what to do. $1: how many milliseconds a transaction may stay open.
-- name: inspect_findings
select 'error' as severity, s.name || ' is off: a crash of the machine loses commits whose values stay cached' as what,
       'set ' || s.name || ' = on, and reload' as advice
  from pg_settings s
 where s.name in ('fsync', 'full_page_writes') and s.setting = 'off'
union all
select 'warning', 'autovacuum is off: the log''s deleted rows are never cleared away', 'set autovacuum = on, and reload'
  from pg_settings s
 where s.name = 'autovacuum' and s.setting = 'off'
union all
-- For all, or for this database or a role in it: sessions of this one may have it on.
select 'warning', 'track_counts is off' || coalesce(' for ' || o.who, '') || ': autovacuum does nothing there, and each write '
                  'looks at the log for what triggers have put there',
       coalesce('alter ' || o.altered || ' reset track_counts, and reconnect', 'set track_counts = on, and reload')
  from (select null as who, null as altered
          from pg_settings s where s.name = 'track_counts' and coalesce(s.reset_val, s.setting) = 'off'
           and s.source not in ('database', 'user', 'database user')
        union all
        select concat_ws(' in ', 'the role ' || r.rolname, 'the database ' || d.datname),
               concat_ws(' in ', 'role ' || quote_ident(r.rolname), 'database ' || quote_ident(d.datname))
          from pg_db_role_setting g
          left join pg_database d on d.oid = g.setdatabase
          left join pg_roles r on r.oid = g.setrole
         where 'track_counts=off' = any (g.setconfig) and (d.oid is null or d.datname = current_database())) o
union all
select 'warning', format('autovacuum is off for %s: its deleted rows are never cleared away', c.oid::regclass),
       format('alter table %s reset (autovacuum_enabled)', c.oid::regclass)
  from pg_class c
 where c.relnamespace = 'querymark'::regnamespace and 'autovacuum_enabled=false' = any (c.reloptions)
union all
select 'warning', format('the publication %s carries %s: what arrives elsewhere are rows of a foreign history', p.pubname,
                         p.schemaname || '.' || p.tablename),
       'publish the tables that are meant, by name, without the schema querymark'
  from pg_publication_tables p
 where p.schemaname = 'querymark'
union all
-- What follows the log by a tail of before schema 5 has no row among the subscribers. Its last statement tells.
select 'warning', format('a program of before schema 5%s follows the log: who waits for all processes does not wait for it',
                         format(' (pid %s%s%s)', a.pid, coalesce(', ' || nullif(a.application_name, ''), ''),
                                coalesce(', from ' || host(a.client_addr), ''))),
       'upgrade the program'
  from pg_stat_activity a
 where a.datname = current_database() and a.pid <> pg_backend_pid()
   and a.query ~ '^\s*with state as materialized' and a.query ~ '\msnapshot\M' and a.query !~ '\mpruned\M'
union all
select 'notice', format('what %s sessions do is hidden from %s: programs of before schema 5 among them can''t be told',
                        count(*), current_user),
       'grant pg_read_all_stats to ' || quote_ident(current_user)
  from pg_stat_activity a
 where a.datname = current_database() and a.query = '<insufficient privilege>'
having count(*) > 0
union all
-- Those that have an id hold the horizon, too, and are told as that.
select 'warning', format('session %s%s is idle in a transaction for %s: what is deleted since can''t be cleared away', a.pid,
                         coalesce(' of ' || nullif(a.application_name, ''), ''),
                         date_trunc('second', clock_timestamp() - a.state_change)),
       format('end it: select pg_terminate_backend(%s); then set idle_in_transaction_session_timeout', a.pid)
  from pg_stat_activity a
 where a.datname = current_database() and a.state like 'idle in transaction%' and a.backend_xid is null
   and a.backend_xmin is not null and a.state_change < clock_timestamp() - $1::bigint * interval '1 ms'
union all
-- More than the server itself keeps between two checkpoints. What somebody takes in right now is under way.
select 'warning', format('the replication slot %s, which nobody uses, keeps %s of WAL: a full disk stops every write', r.slot_name,
                         pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), r.restart_lsn))),
       format('start what reads it; or, if that is no more, select pg_drop_replication_slot(%L); and set max_slot_wal_keep_size',
              r.slot_name)
  from pg_replication_slots r, pg_settings s
 where s.name = 'max_wal_size' and not r.active and r.wal_status <> 'lost'
   and pg_wal_lsn_diff(pg_current_wal_lsn(), r.restart_lsn) > pg_size_bytes(s.setting || s.unit)
union all
select 'notice', 'idle_in_transaction_session_timeout is off: a transaction that is left open keeps the horizon, and with it '
                 'hits in shared tiers on what was written since',
       'set it for your applications'' roles, to some minutes'
  from pg_settings s
 where s.name = 'idle_in_transaction_session_timeout' and s.setting = '0'
union all
select 'warning', format('the queue of NOTIFY is %s %% full: a session that listens stays in a transaction',
                         round((pg_notification_queue_usage() * 100)::numeric)),
       'find it by "select pid, query from pg_stat_activity where state = ''idle in transaction''", and end it'
 where pg_notification_queue_usage() > 0.1
union all
select 'warning', format('the trigger %s on %s calls NOTIFY: each write that does so takes one lock for all commits of the server',
                         t.tgname, t.tgrelid::regclass),
       'ring after the commit (querymark.ring), or leave it to the polls'
  from pg_trigger t
  join pg_proc p on p.oid = t.tgfoid
  join pg_namespace n on n.oid = p.pronamespace
 where not t.tgisinternal and n.nspname <> 'querymark' and p.prosrc ~* '(pg_notify|\mnotify\M|querymark\.ring)'
union all
select 'warning', format('%s has %s dead rows and %s live ones: autovacuum does not keep up', s.relname, s.n_dead_tup,
                         s.n_live_tup),
       'look for transactions that stay open; then "vacuum querymark.' || s.relname || '"'
  from pg_stat_user_tables s
 where s.schemaname = 'querymark' and s.n_dead_tup > 50000 and s.n_dead_tup > 2 * s.n_live_tup
union all
select 'error', 'row-level security hides rows of the log from ' || current_user,
       'alter table querymark.log disable row level security'
 where row_security_active('querymark.log'::regclass)
union all
select 'error', 'querymark.incarnation is logged: a crash would go unnoticed',
       'alter table querymark.incarnation set unlogged'
  from pg_class c
 where c.oid = 'querymark.incarnation'::regclass and c.relpersistence <> 'u'
union all
select 'error', format('%s may not %s querymark.%s', current_user, r.privilege, r.name),
       'grant querymark_worker to ' || quote_ident(current_user) || ', if it is a worker''s or an operator''s role'
  from (values ('consumer', 'update'), ('delivery', 'update'), ('log', 'select')) r (name, privilege)
 where not has_table_privilege('querymark.' || r.name, r.privilege)
union all
select 'notice', 'the role ' || r.name || ' does not exist, so its rights are granted to nobody',
       'create it, and grant what sql/postgres/migrations grants to it; or run all programs as the schema''s owner'
  from (values ('querymark_writer'), ('querymark_subscriber'), ('querymark_worker')) r (name)
 where not exists (select from pg_roles p where p.rolname = r.name)
union all
select 'warning', format('%s of %s connections are taken', count(*), max(s.setting)),
       'raise max_connections, or lower the pools of the applications'
  from pg_stat_activity a, pg_settings s
 where s.name = 'max_connections' and a.backend_type = 'client backend'
having count(*) > 0.9 * max(s.setting::bigint)
