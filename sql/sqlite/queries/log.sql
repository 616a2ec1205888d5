-- The log, and whose it is. What runs on the writer or on a caller's connection names the schema `main`: a
-- temporary table of that name would come first.

-- The newest row stays, so its id is the highest that was ever given out; where an earlier release has emptied the
-- log, the floor is one more. (Whoever takes it away by hand, where no trigger keeps it, has rewound the file.) ?1 is
-- the id of the reader's cursor: its row must still have the witness that the reader saw, or the file was rewound.
-- name: log_state
select m.epoch as epoch, m.floor as floor, max(coalesce(l.id, 0), m.floor - 1) as last,
       case when m.definitions is not null
            then m.definitions <> (select schema_version from pragma_schema_version) end as redefined,
       coalesce(l.witness, l.write_id) as last_witness,
       (select coalesce(witness, write_id) from main.querymark_log where id = ?1) as cursor_witness
  from main.querymark_meta m
  left join main.querymark_log l on l.id = (select max(id) from main.querymark_log)
 where m.id = 1

-- What triggers report stands in the namespace *. A target longer than any that the library writes is left where it
-- is: its row counts as malformed.
-- name: log_page
select id, kind, case when length(cast(target as blob)) <= iif(kind = 'rows', 16384, 1024) then target end as target,
       write_id
  from querymark_log
 where id > ?1 and id <= ?2 and namespace in (?3, '*')
 order by id
 limit ?4

-- What nobody else tells of: that definitions have changed. Within the transaction that has found it out.
-- name: tell_definitions
insert into main.querymark_log (namespace, kind, target) values ('*', 'schema', 'schema')

-- name: told_definitions
update main.querymark_meta set definitions = (select schema_version from pragma_schema_version) where id = 1

-- name: log_last
select max(coalesce((select max(id) from main.querymark_log), 0), floor - 1) as last from main.querymark_meta where id = 1

-- Rows of all namespaces: ids leave no gaps, so each that is missing was taken away.
-- name: log_rows
select count(*) as rows from querymark_log where id > ?1 and id <= ?2

-- One intent; run for each, which costs less than unfolding a list would.
-- name: append
insert into main.querymark_log (namespace, kind, target, reason, write_id, witness)
values (?1, ?2, ?3, ?4, ?5, ?5)

-- name: confirm_write
select count(*) as logged from main.querymark_log where id = ?1 and write_id = ?2

-- Who has the id: the write of a receipt, or one that came after a restore.
-- name: write_at
select write_id from querymark_log where id = ?1

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
       floor = max(floor, 1 + coalesce((select max(id) from querymark_log), 0))
 where id = 1

-- The newest row stays: see 0007_log_ids.sql.
-- name: empty_log
delete from querymark_log where id < (select max(id) from querymark_log)

-- Of the newest rows alone: no index serves this, and the log may be long.
-- name: namespaces
select distinct namespace from (select namespace from querymark_log order by id desc limit 10000) newest
 where namespace <> '*'
 order by namespace
 limit 20

-- Why, as they said, writes have invalidated; triggers report under '*'.
-- name: reasons_at
select reason from querymark_log where id = ?2 and namespace in (?1, '*') and reason <> ''
