-- Operators page through the deliveries of a state by their ids. Programs of version 5 go on until they reconnect.
begin;

set local search_path = pg_catalog, pg_temp;
-- Whoever waits for a lock on querymark.delivery holds up all workers behind it. Writers of the log never touch it.
set local lock_timeout = '5s';

-- By the primary key, a page of the few that wait would walk through all that have ended since.
create index delivery_page on querymark.delivery (namespace, state, id);

insert into querymark.schema (version, name) values (6, '0006_delivery_pages.sql');

commit;
