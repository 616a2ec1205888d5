-- Named statements of the SQLite adapter. `-- name:` lines are keys; see SqlCatalog. What runs on the writer
-- or on a caller's connection names the schema `main`: a temporary table of that name would come first.

-- Reads nothing; its first step makes the connection compare its copy of the schema with the file's.
-- name: look_at_schema
select 1 from main.sqlite_master limit 0

-- What a caller's connection knows that no other does.
-- name: temporary_objects
select exists (select 1 from temp.sqlite_master)

-- Settings by which a caller's connection reads the same SQL otherwise than ours do: LIKE, and what others
-- have not committed (which a shared cache can show).
-- name: callers_settings
select not ('a' like 'A') or (select read_uncommitted from pragma_read_uncommitted)

-- name: schema_present
select count(*) from sqlite_master where type = 'table' and name = 'querymark_schema'

-- name: schema_version
select coalesce(max(version), 0) from querymark_schema

-- name: meta
select database_id, epoch, file_identity, boot_id, file_birth, machine_id, boot_seen
  from querymark_meta
 where id = 1

-- name: claim_file
update querymark_meta
   set file_identity = ?1, file_birth = ?2, machine_id = ?3, boot_seen = ?4, boot_id = ?5
 where id = 1

-- name: replace_database_id
update querymark_meta set database_id = ?1 where id = 1

-- A new history: old positions mean nothing any more, so the old log goes.
-- name: replace_epoch
update querymark_meta
   set epoch = ?1,
       floor = 1 + coalesce((select seq from sqlite_sequence where name = 'querymark_log'), 0)
 where id = 1

-- name: empty_log
delete from querymark_log

-- sqlite_sequence knows the highest id ever given out, also when its row has been pruned. ?1 is the id of
-- the reader's cursor: its row must still have the witness that the reader saw, or the file was rewound.
-- name: log_state
select m.epoch, m.floor, s.last,
       (select coalesce(witness, write_id) from main.querymark_log where id = s.last),
       (select coalesce(witness, write_id) from main.querymark_log where id = ?1)
  from main.querymark_meta m,
       (select coalesce((select seq from main.sqlite_sequence where name = 'querymark_log'), 0) as last) s
 where m.id = 1

-- A target longer than any that the library writes is left where it is: its row counts as malformed.
-- name: log_page
select id, kind, case when length(cast(target as blob)) <= 1024 then target end, write_id
  from querymark_log
 where id > ?1 and id <= ?2 and namespace = ?3
 order by id
 limit ?4

-- Rows of all namespaces: ids leave no gaps, so each that is missing was taken away.
-- name: log_rows
select count(*) from querymark_log where id > ?1 and id <= ?2

-- One intent; run for each, which costs less than unfolding a list would.
-- name: append
insert into main.querymark_log (namespace, kind, target, reason, write_id, witness)
values (?1, ?2, ?3, ?4, ?5, ?5)

-- name: confirm_write
select count(*) from main.querymark_log where id = ?1 and write_id = ?2

-- Who has the id: the write of a receipt, or one that came after a restore.
-- name: write_at
select write_id from querymark_log where id = ?1

-- name: consumer_register
insert into querymark_consumer (namespace, name) values (?1, ?2) on conflict do nothing

-- name: consumer
select epoch, cursor_id, case when witness_id = cursor_id then witness else 0 end, owner, lease_until,
       cast((julianday('now') - 2440587.5) * 86400000 as integer)
  from querymark_consumer
 where namespace = ?1 and name = ?2

-- name: consumer_claim
update querymark_consumer
   set owner = ?3, token = ?4,
       lease_until = cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?5
 where namespace = ?1 and name = ?2

-- name: consumer_advance
update querymark_consumer
   set epoch = ?4, cursor_id = ?5, cursor_write = 0, witness_id = ?5, witness = ?6
 where namespace = ?1 and name = ?2 and token = ?3

-- name: consumer_renew
update querymark_consumer
   set lease_until = cast((julianday('now') - 2440587.5) * 86400000 as integer) + ?4
 where namespace = ?1 and name = ?2 and token = ?3

-- name: consumer_release
update querymark_consumer
   set owner = null, token = null, lease_until = 0
 where namespace = ?1 and name = ?2 and owner = ?3
