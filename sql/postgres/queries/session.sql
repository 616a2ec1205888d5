-- What a session is, and what it is pinned to.
--
-- A name without a schema means what the search_path says, and an overload that whoever may create functions puts into
-- it can fit better than the system's own. The log's, the doorbell's and migrations' sessions pin theirs to pg_catalog.
-- What runs on a pooled or a caller's connection runs under the path that queries need, so those statements name the
-- schema of each function, operator and type (keywords such as bigint and coalesce can't mean anything else). No
-- `is distinct from`, `in`, `case x when`, `using (...)` there: they look for an operator `=` on the path.

-- Where the connection leads, and whether that is the history that its caller may know.
-- name: session
select h.database_id, h.epoch, h.adopted from querymark.history h

-- The server process itself. A pooling proxy names another when the connection is made.
-- name: backend
select pg_catalog.pg_backend_pid() as pid

-- The names of types that are not the server's own, as a person would write them.
-- name: type_names
select t.oid, pg_catalog.format_type(t.oid, null) as name from pg_catalog.unnest($1::pg_catalog.oid[]) t (oid)

-- Sets settings of a pooled session ($1 to $2), since they change results. $3: for this transaction only; behind a
-- pooling proxy the server session is other clients' too. Tells a standby first: there, a statement that names an
-- unlogged table, as `session` does, fails before it runs.
-- name: pin_session
select pg_catalog.pg_is_in_recovery() as standby,
       pg_catalog.count(pg_catalog.set_config(p.name, p.value, $3::boolean)) as pinned
  from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as p (name, value)
 where p.name operator(pg_catalog.<>) 'transaction_timeout'  -- since PostgreSQL 17
    or pg_catalog.current_setting(p.name, true) is not null

-- What settings are; null for custom ones that nobody has set.
-- name: settings_now
select array(select pg_catalog.current_setting(c.name, true)
               from pg_catalog.unnest($1::pg_catalog.text[]) with ordinality as c (name, n)
              order by c.n) as settings

-- Whether somebody else has made domains here, or rules by which something else is done instead of a statement (where
-- that is nothing, it is prepared as one that depends on nothing), and whether a table has row-level security: also
-- without policies it hides rows from some roles. Seldom: there is no index for any.
-- name: settled_unseen
select exists (select
                 from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.typnamespace
                where t.typtype operator(pg_catalog.=) 'd'
                  and n.nspname::pg_catalog.text operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema', 'querymark']))
       as domains,
       exists (select
                 from pg_catalog.pg_rewrite r
                where r.is_instead and r.ev_type operator(pg_catalog.<>) '1'  -- a view's
                  and r.oid operator(pg_catalog.>=) 16384::pg_catalog.oid)  -- the first that is not the server's own
       as instead,
       exists (select from pg_catalog.pg_class c where c.relrowsecurity) as secured

-- Ends a read in a transaction of its own, which is then rolled back: whether it has written (a read-only transaction
-- lets large objects pass), the answer of `prove_session`, in which schemas names are looked for and whether there are
-- policies (`begin_write`), and whether other functions than the server's own bear one of three names. What a rollback
-- leaves: locks of the session.
-- name: leave_read
select pg_catalog.pg_current_xact_id_if_assigned() is not null as wrote,
       pg_catalog.concat(pg_catalog.current_schemas(true),
                         case when exists (select from pg_catalog.pg_policy) then ' policies' end) as path,
       exists (select from pg_catalog.pg_proc p where p.proname operator(pg_catalog.=) $1::pg_catalog.name
                  and p.pronamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace)
       or exists (select from pg_catalog.pg_proc p where p.proname operator(pg_catalog.=) $2::pg_catalog.name
                     and p.pronamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace)
       or exists (select from pg_catalog.pg_proc p where p.proname operator(pg_catalog.=) $3::pg_catalog.name
                     and p.pronamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace) as overloaded,
       pg_catalog.pg_conf_load_time()::pg_catalog.text as session, pg_catalog.pg_advisory_unlock_all() as unlocked

-- name: leave_read_customs
select pg_catalog.pg_current_xact_id_if_assigned() is not null as wrote,
       pg_catalog.concat(pg_catalog.current_schemas(true),
                         case when exists (select from pg_catalog.pg_policy) then ' policies' end) as path,
       exists (select from pg_catalog.pg_proc p where p.proname operator(pg_catalog.=) $1::pg_catalog.name
                  and p.pronamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace)
       or exists (select from pg_catalog.pg_proc p where p.proname operator(pg_catalog.=) $2::pg_catalog.name
                     and p.pronamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace)
       or exists (select from pg_catalog.pg_proc p where p.proname operator(pg_catalog.=) $3::pg_catalog.name
                     and p.pronamespace operator(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace) as overloaded,
       pg_catalog.concat_ws(pg_catalog.chr(10), pg_catalog.pg_conf_load_time(),
                            array(select pg_catalog.current_setting(c.name, true)
                                    from pg_catalog.unnest($4::pg_catalog.text[]) as c (name))) as session,
       pg_catalog.pg_advisory_unlock_all() as unlocked

-- What a session is whose settings were reset to what it came with and pinned again: its answer when it is fresh is the
-- measure for all later ones. A reset leads to the server's present configuration, so that must not have been loaded
-- anew. A session never forgets a custom setting ($1) that was set in it: it becomes '' where it was null.
-- name: prove_session
select pg_catalog.concat_ws(pg_catalog.chr(10), current_user, session_user, pg_catalog.pg_conf_load_time()) as session,
       pg_catalog.pg_advisory_unlock_all() as unlocked

-- name: prove_session_customs
select pg_catalog.concat_ws(pg_catalog.chr(10), current_user, session_user, pg_catalog.pg_conf_load_time(),
                            array(select pg_catalog.current_setting(c.name, true)
                                    from pg_catalog.unnest($1::pg_catalog.text[]) as c (name))) as session,
       pg_catalog.pg_advisory_unlock_all() as unlocked

-- Behind a COMMIT: how many rows the session has counted that it has put into the log (see `begin_write`). Locks of the
-- session go before its caller is told.
-- name: end_write
select pg_catalog.pg_advisory_unlock_all() as unlocked,
       case when pg_catalog.current_setting('track_counts')::pg_catalog.bool
            then pg_catalog.pg_stat_get_xact_tuples_inserted('querymark.log'::pg_catalog.regclass) end as logged

-- First on each session of our own (log, doorbell, migrations): what follows means what it says, no setting of the role
-- or the database ends the session or a statement before its time ($1, in milliseconds), rows are never filtered
-- silently, and a client that is gone is noticed. The server gives up a statement when the client does. $2: for this
-- transaction only; behind a pooling proxy the server session is other clients' too.
-- name: pin_own_session
select pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', $2::boolean),
       pg_catalog.set_config('statement_timeout', $1, $2::boolean),
       pg_catalog.set_config('lock_timeout', '0', $2::boolean),
       pg_catalog.set_config('idle_session_timeout', '0', $2::boolean),
       pg_catalog.set_config('idle_in_transaction_session_timeout', '0', $2::boolean),
       case when pg_catalog.current_setting('transaction_timeout', true) is not null  -- since PostgreSQL 17
            then pg_catalog.set_config('transaction_timeout', '0', $2::boolean) end,
       pg_catalog.set_config('row_security', 'off', $2::boolean),
       pg_catalog.set_config('default_transaction_isolation', 'read committed', $2::boolean),
       pg_catalog.set_config('default_transaction_read_only', 'off', $2::boolean),
       pg_catalog.set_config('default_transaction_deferrable', 'off', $2::boolean),
       pg_catalog.set_config('standard_conforming_strings', 'on', $2::boolean),
       pg_catalog.set_config('tcp_keepalives_idle', '60', $2::boolean),
       pg_catalog.set_config('tcp_keepalives_interval', '10', $2::boolean),
       pg_catalog.set_config('tcp_keepalives_count', '3', $2::boolean)

-- The tail's plan is one for all sizes, and making or compiling it takes longer than running it: it is made once for
-- a connection. The log may be all but empty then and full a moment later, so the plan must not be a scan of the table.
-- name: pin_log_session
select set_config('jit', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('enable_indexscan', 'on', false), set_config('enable_nestloop', 'on', false)

-- What of a session can change results, a row for each: the users; the settings that always count (the third column is
-- true); and all others that are not the server's own, but for those that change no result, such as what is logged, what
-- memory there is, and by which plan a result is found: any is a right one.
--
-- Custom settings (`app.tenant`) are hidden from pg_settings. They are looked for by name: those of $1, those that the
-- database and the role come with, and those that functions and policies speak of. (Not views: what shows their text
-- runs statements of its own, on the caller's search_path.)
-- `customs`: names that somebody may set. A session must be asked for each after each call, so there are few.
-- `spoken`: those that somebody reads, too, and those of extensions.
-- `opaque`: something reads settings by names that are nowhere to be found, such as computed ones. Views and SQL bodies
-- are looked at as the server stores them, for a call of pg_catalog.current_setting (its two functions by their oids).
-- name: session_settings
with standing (name) as materialized (
  select pg_catalog.unnest(array['role', 'search_path', 'TimeZone', 'timezone_abbreviations', 'DateStyle',
    'IntervalStyle', 'extra_float_digits', 'bytea_output', 'row_security', 'default_text_search_config', 'lc_monetary',
    'lc_numeric', 'lc_time', 'xmlbinary', 'xmloption', 'array_nulls', 'transform_null_equals',
    'standard_conforming_strings', 'backslash_quote', 'quote_all_identifiers', 'gin_fuzzy_search_limit'])
), spoken (text) as (
  select p.prosrc
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) p.pronamespace
   where n.nspname::pg_catalog.text operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema', 'querymark'])
  union all
  select pg_catalog.concat('set ', pg_catalog.array_to_string(p.proconfig, ' set '))
    from pg_catalog.pg_proc p
   where p.proconfig is not null
  union all
  select pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid),
                           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
    from pg_catalog.pg_policy p
), custom (name, is_set) as (
  select pg_catalog.unnest($1::pg_catalog.text[]), true
  union
  select pg_catalog.split_part(c.setting, '=', 1), true
    from pg_catalog.pg_db_role_setting s
    left join pg_catalog.pg_database d on d.oid operator(pg_catalog.=) s.setdatabase
    left join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) s.setrole,
         pg_catalog.unnest(s.setconfig) as c (setting)
   where (d.oid is null or d.datname operator(pg_catalog.=) pg_catalog.current_database())
     and (r.oid is null or r.rolname operator(pg_catalog.=) session_user)
  union
  select m.found[2], m.found[1] operator(pg_catalog.<>) ''''
    from spoken s, pg_catalog.regexp_matches(  -- no backslashes: they mean what the session says
           s.text,
           '(set_config[[:space:]]*[(][[:space:]]*''|[[:<:]]set[[:space:]]+(?:(?:local|session)[[:space:]]+)?|'')' operator(pg_catalog.||)
           '([a-z_][a-z0-9_$]*(?:[.][a-z_][a-z0-9_$]*)+)', 'gi') as m (found)
), settings (name, value, standing) as (
  select 'current_user', current_user::pg_catalog.text, false
  union all
  select 'session_user', session_user::pg_catalog.text, false
  union all
  select t.name, pg_catalog.current_setting(t.name), true from standing t
  union all
  select s.name, s.setting, false
    from pg_catalog.pg_settings s
   where s.source operator(pg_catalog.<>) all (array['default', 'override', 'environment variable', 'command line',
                                                     'configuration file'])
     and s.name operator(pg_catalog.<>) all (array(select t.name from standing t))
     and s.name operator(pg_catalog.<>) all (array['application_name', 'client_encoding', 'client_min_messages',
           'default_transaction_isolation', 'default_transaction_deferrable', 'default_transaction_read_only',
           'statement_timeout', 'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout',
           'transaction_timeout', 'client_connection_check_interval', 'tcp_keepalives_idle', 'tcp_keepalives_interval',
           'tcp_keepalives_count', 'tcp_user_timeout', 'synchronous_commit', 'transaction_isolation',
           'transaction_deferrable', 'transaction_read_only', 'lc_messages', 'jit', 'geqo', 'plan_cache_mode', 'work_mem',
           'hash_mem_multiplier', 'logical_decoding_work_mem', 'temp_buffers', 'temp_file_limit', 'max_stack_depth',
           'backend_flush_after', 'seq_page_cost', 'random_page_cost', 'join_collapse_limit', 'from_collapse_limit',
           'constraint_exclusion', 'cursor_tuple_fraction', 'default_statistics_target', 'recursive_worktable_factor',
           'force_parallel_mode', 'debug_parallel_query'])
  union all
  select c.name, pg_catalog.current_setting(c.name, true), false
    from (select distinct d.name from custom d) c
   where c.name operator(pg_catalog.~) '[.]' and pg_catalog.current_setting(c.name, true) is not null
     and not exists (select from pg_catalog.pg_settings s where s.name operator(pg_catalog.=) c.name)
)
select s.name, s.value, s.standing,
       array(select distinct c.name from custom c where c.is_set and c.name operator(pg_catalog.~) '[.]' order by 1)
       as customs,
       array(select c.name from custom c where c.name operator(pg_catalog.~) '[.]'
             union
             select g.name from pg_catalog.pg_settings g where g.name operator(pg_catalog.~) '[.]'
             order by 1) as spoken,
       exists (select from spoken t
                where pg_catalog.regexp_replace(
                        t.text, 'current_setting[[:space:]]*[(][[:space:]]*''[^'']*''(::text)?[[:space:]]*[,)]', '', 'gi')
                      operator(pg_catalog.~*) 'current_setting')
       or exists (select from pg_catalog.pg_proc p
                   where p.prosqlbody::pg_catalog.text operator(pg_catalog.~) ':funcid (2077|3294) ')
       or exists (select
                    from pg_catalog.pg_rewrite r join pg_catalog.pg_class v on v.oid operator(pg_catalog.=) r.ev_class
                    join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) v.relnamespace
                   where n.nspname::pg_catalog.text operator(pg_catalog.<>) all (array['pg_catalog', 'information_schema'])
                     and r.ev_action::pg_catalog.text operator(pg_catalog.~) ':funcid (2077|3294) ') as opaque
  from settings s
 where s.name operator(pg_catalog.!~)  -- (a name with a dot is an extension's or a caller's, whatever it begins with)
       '^(log|track|enable|geqo|jit|cpu|parallel|max_parallel|min_parallel|effective|maintenance|vacuum)_[^.]*$|^(auto_explain|pg_stat_statements)[.]'
 order by s.name
