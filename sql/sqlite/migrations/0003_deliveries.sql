-- What did not reach a shared target at once: deliveries, with attempts, deadlines and dead letters; a consumer's open
-- segment and its breaker. Programs of the release before go on: their worker moves its cursor as before, and counts no
-- attempts. Times are milliseconds since 1970 by this database's clock.
begin immediate;

-- Claims of the segment behind the cursor that have not moved it: from the second on it goes row by row, since one of
-- its rows may be what kills workers.
alter table querymark_consumer add column segment_attempts integer not null default 0 check (segment_attempts >= 0);
-- A flush that is owed, in place of deliveries that have died: waits up to here stay open until it is paid.
alter table querymark_consumer add column flush_required_upto integer;
-- For people, and for the worker that takes over: the target is down since, and why.
alter table querymark_consumer add column down_since integer;
alter table querymark_consumer add column down_reason text check (length(cast(down_reason as blob)) <= 500);

create table querymark_delivery (
  id             integer primary key,
  namespace      text not null,
  consumer       text not null,
  -- Positions count within it; waiting deliveries of another are superseded by that one's flush.
  epoch          text not null check (length(epoch) = 32),
  -- Equal targets of one page are one delivery: the first and the last of their positions.
  first_position integer not null,
  position       integer not null,
  -- Null when the log's row was malformed.
  kind           text,
  target         text,
  state          text not null check (state in ('pending', 'claimed', 'dead', 'expired', 'cancelled', 'superseded',
                                                'discarded')),
  -- The claim under which it is being applied: each step of its worker is guarded by it.
  token          integer,
  -- Counted when claimed: what kills the worker is counted, too.
  attempts       integer not null default 0 check (attempts >= 0),
  available_at   integer not null,
  -- Past it, nothing that the target could hit is alive.
  deadline       integer not null,
  last_error     text check (length(cast(last_error as blob)) <= 500),
  created_at     integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer)),
  changed_at     integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer)),
  check ((state = 'claimed') = (token is not null)),
  check (first_position <= position),
  check ((kind is null) = (target is null)),
  check (kind is not null or state not in ('pending', 'claimed'))
) strict;

-- A row of the log becomes one delivery for a consumer, however often its segment is read.
create unique index querymark_delivery_row
  on querymark_delivery (namespace, consumer, epoch, position, coalesce(kind, ''), coalesce(target, ''));
-- What waits, by when it is due. Ended rows, which may be many, are not in it.
create index querymark_delivery_due on querymark_delivery (namespace, consumer, available_at)
  where state in ('pending', 'claimed');
-- What has ended, for operators, waits and retention.
create index querymark_delivery_ended on querymark_delivery (namespace, consumer, state, changed_at)
  where state not in ('pending', 'claimed');

insert into querymark_schema (version, name) values (3, '0003_deliveries.sql');

commit;
