-- Operators page through the deliveries of a state by their ids. Programs of the release before go on until they reconnect.
begin immediate;

-- By the primary key, a page of the few that wait would walk through all that have ended since.
create index querymark_delivery_page on querymark_delivery (namespace, state, id);

insert into querymark_schema (version, name) values (4, '0004_delivery_pages.sql');

commit;
