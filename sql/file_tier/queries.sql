-- Named statements of the SQLite file tier.

-- name: schema_present
select count(*) from sqlite_master where type = 'table' and name = 'querymark_tier_schema'

-- name: any_table
select count(*) from sqlite_master where type = 'table' and name not like 'sqlite_%'

-- name: schema_version
select coalesce(max(version), 0) from querymark_tier_schema

-- name: identity
select tier_id, file_identity, file_birth, machine_id, boot_seen from querymark_tier_identity where id = 1

-- name: claim_file
update querymark_tier_identity
   set tier_id = ?1, file_identity = ?2, file_birth = ?3, machine_id = ?4, boot_seen = ?5
 where id = 1

-- Values of programs of another release are none.
-- name: get
select namespace, value from querymark_tier_entry where name = ?1 and expires_at > ?2 and format = 2

-- A value with a later stamp of the same epoch is never replaced by an earlier one.
-- name: has_later
select count(*) from querymark_tier_entry where name = ?1 and epoch = ?2 and horizon > ?3 and format = 2

-- name: delete_name
delete from querymark_tier_entry where name = ?1

-- name: insert_entry
insert into querymark_tier_entry (name, namespace, epoch, horizon, witness, expires_at, bytes, value,
                                  format)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 2)
returning seq

-- name: insert_target
insert or ignore into querymark_tier_target (target, seq) values (?1, ?2)

-- name: total_bytes
select bytes from querymark_tier_size where id = 1

-- What the file really takes, free pages aside: no counter of ours.
-- name: used_bytes
select (pages.page_count - free.freelist_count) * size.page_size
  from pragma_page_count() as pages, pragma_freelist_count() as free, pragma_page_size() as size

-- name: recount
insert or replace into querymark_tier_size (id, bytes)
select 1, coalesce(sum(bytes), 0) from querymark_tier_entry

-- name: delete_expired
delete from querymark_tier_entry
 where seq in (select seq from querymark_tier_entry where expires_at <= ?1 limit ?2)

-- name: delete_oldest
delete from querymark_tier_entry
 where seq in (select seq from querymark_tier_entry order by seq limit ?1)

-- name: delete_target
delete from querymark_tier_entry
 where seq in (select seq from querymark_tier_target where target = ?1)
   and namespace = ?2 and (epoch <> ?3 or horizon <= ?4)

-- name: delete_namespace
delete from querymark_tier_entry where namespace = ?1 and (epoch <> ?2 or horizon <= ?3)

-- name: newest
select horizon, witness from querymark_tier_entry
 where epoch = ?1 and format = 2
 order by horizon desc
 limit 1

-- name: count
select count(*) from querymark_tier_entry
