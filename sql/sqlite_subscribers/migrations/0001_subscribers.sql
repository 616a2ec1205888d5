-- Who follows the log of a SQLite database, in a file beside it: a heartbeat in the database itself would be a commit
-- that wakes everybody. What it holds may be lost at any time: whose heartbeat finds no row enters again, and without
-- recorded ids the log stays a retention longer. Times are milliseconds since 1970 by this machine's clock.
begin immediate;

create table subscribers_schema (
  version    integer primary key,
  name       text not null,
  applied_at text not null default (datetime('now'))
) strict;

create table subscriber (
  id          integer primary key,  -- random for each start
  namespace   text not null,
  -- Moves on with each heartbeat. Who stands still for its lease, by the clock of whoever looks, is dead.
  beat        integer not null default 1,
  lease_ms    integer not null check (lease_ms > 0),
  -- Up to where it has applied the log. Null: it has yet to say so.
  epoch       text,
  cursor_id   integer,
  application text,
  host        text,
  pid         integer,
  version     text,
  beat_at     integer not null,
  check ((epoch is null) = (cursor_id is null))
) strict;

-- Up to where the log stood once, a row a minute: the newest that is older than the retention bounds what may go.
create table recorded (
  epoch       text not null,
  last_id     integer not null,
  recorded_at integer not null
) strict;

insert into subscribers_schema (version, name) values (1, '0001_subscribers.sql');

commit;
