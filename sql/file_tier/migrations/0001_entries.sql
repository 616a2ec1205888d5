-- The SQLite file tier: encoded result sets under their SHA-256 names. A cache: any row may vanish.
begin immediate;

create table querymark_tier_schema (
  version    integer primary key,
  name       text not null,
  applied_at text not null default (datetime('now'))
) strict;

create table querymark_tier_entry (
  seq        integer primary key autoincrement,  -- order of storing; the oldest go first
  name       blob not null unique,
  namespace  text not null,
  epoch      text not null,
  horizon    integer not null,  -- the value includes every position below
  witness    integer not null,  -- write id of the log row just below the horizon
  expires_at integer not null,  -- milliseconds of the wall clock
  bytes      integer not null,
  value      blob not null
) strict;

-- For restarts: the newest stamp of an epoch proves whether the database was rewound.
create index querymark_tier_entry_horizon on querymark_tier_entry (epoch, horizon);

create index querymark_tier_entry_expiry on querymark_tier_entry (expires_at);

-- Which entries an invalidation of a target removes.
create table querymark_tier_target (
  target blob not null,
  seq    integer not null references querymark_tier_entry (seq) on delete cascade,
  primary key (target, seq)
) strict, without rowid;

create index querymark_tier_target_seq on querymark_tier_target (seq);

-- Sum of `bytes`, kept by triggers, so that the bound costs no scan.
create table querymark_tier_size (
  id    integer primary key check (id = 1),
  bytes integer not null default 0
) strict;
insert into querymark_tier_size (id) values (1);

create trigger querymark_tier_grow after insert on querymark_tier_entry
begin
  update querymark_tier_size set bytes = bytes + new.bytes where id = 1;
end;

create trigger querymark_tier_shrink after delete on querymark_tier_entry
begin
  update querymark_tier_size set bytes = bytes - old.bytes where id = 1;
end;

insert into querymark_tier_schema (version, name) values (1, '0001_entries.sql');

commit;
