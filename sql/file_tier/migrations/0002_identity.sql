-- The tier's own identity, and values that name what they are stored under. Programs of the release before go on
-- with this schema while they run: they and this one do not read each other's values.
begin immediate;

-- Which worker's cursor belongs to the tier, and the file that the answer is true of (a copy gets its own).
create table querymark_tier_identity (
  id            integer primary key check (id = 1),
  tier_id       text not null check (length(tier_id) = 32),
  file_identity text not null default '',
  file_birth    text,
  machine_id    text,
  boot_seen     text
) strict;
insert into querymark_tier_identity (id, tier_id) values (1, lower(hex(randomblob(16))));

-- The encoding of the value. Programs that know only the first leave the default.
alter table querymark_tier_entry add column format integer not null default 1;
delete from querymark_tier_entry;
insert or replace into querymark_tier_size (id, bytes) values (1, 0);

insert into querymark_tier_schema (version, name) values (2, '0002_identity.sql');

commit;
