-- Which schema a file has.

-- name: schema_present
select count(*) from sqlite_master where type = 'table' and name = 'subscribers_schema'

-- name: schema_version
select coalesce(max(version), 0) from subscribers_schema
