-- What the entries take, and who goes when it is too much.

-- name: total_bytes
select bytes from querymark_tier_size where id = 1

-- name: count_bytes
update querymark_tier_size set bytes = bytes + ?1 where id = 1

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
