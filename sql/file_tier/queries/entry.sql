-- Values, and what invalidations remove.

-- Values of programs of another release are none.
-- name: get
select namespace, epoch, horizon, value from querymark_tier_entry where name = ?1 and expires_at > ?2 and format = 3

-- A value with a later stamp of the same epoch is never replaced by an earlier one.
-- name: has_later
select count(*) from querymark_tier_entry where name = ?1 and epoch = ?2 and horizon > ?3 and format = 3

-- name: delete_name
delete from querymark_tier_entry where name = ?1

-- name: delete_named
delete from querymark_tier_entry where name = ?1 and namespace = ?2

-- name: insert_entry
insert into querymark_tier_entry (name, namespace, epoch, horizon, witness, expires_at, bytes, value,
                                  format)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 3)
returning seq

-- name: insert_target
insert or ignore into querymark_tier_target (target, seq) values (?1, ?2)

-- name: delete_target
delete from querymark_tier_entry
 where seq in (select seq from querymark_tier_target where target = ?1)
   and namespace = ?2 and (epoch <> ?3 or horizon <= ?4)

-- name: delete_namespace
delete from querymark_tier_entry where namespace = ?1 and (epoch <> ?2 or horizon <= ?3)

-- name: newest
select horizon, witness from querymark_tier_entry
 where epoch = ?1 and format = 3
 order by horizon desc
 limit 1

-- name: count
select count(*) from querymark_tier_entry
