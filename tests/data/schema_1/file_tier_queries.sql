-- Named statements of the SQLite file tier.

-- name: schema_present
select count(*) from sqlite_master where type = 'table' and name = 'querymark_tier_schema'

-- name: any_table
select count(*) from sqlite_master where type = 'table' and name not like 'sqlite_%'

-- name: schema_version
select coalesce(max(version), 0) from querymark_tier_schema

-- name: get
select value from querymark_tier_entry where name = ?1 and expires_at > ?2

-- A value with a later stamp of the same epoch is never replaced by an earlier one.
-- name: has_later
select count(*) from querymark_tier_entry where name = ?1 and epoch = ?2 and horizon > ?3

-- name: delete_name
delete from querymark_tier_entry where name = ?1

-- name: insert_entry
insert into querymark_tier_entry (name, namespace, epoch, horizon, witness, expires_at, bytes, value)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
returning seq

-- name: insert_target
insert or ignore into querymark_tier_target (target, seq) values (?1, ?2)

-- name: total_bytes
select bytes from querymark_tier_size where id = 1

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
select horizon, witness from querymark_tier_entry where epoch = ?1 order by horizon desc limit 1

-- name: count
select count(*) from querymark_tier_entry
