-- Whose file it is.

-- name: any_table
select count(*) from sqlite_master where type = 'table' and name not like 'sqlite_%'

-- name: identity
select tier_id, file_identity, file_birth, machine_id, boot_seen from querymark_tier_identity where id = 1

-- name: claim_file
update querymark_tier_identity
   set tier_id = ?1, file_identity = ?2, file_birth = ?3, machine_id = ?4, boot_seen = ?5
 where id = 1
