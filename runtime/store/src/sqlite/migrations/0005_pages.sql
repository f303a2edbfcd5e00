-- The rows of a tenant that were recorded together: MessagePack, one behind the other, the oldest first.
CREATE TABLE try_pages (
    no     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    first  BLOB NOT NULL, -- the id of its first row; ids begin with the time
    last   BLOB NOT NULL,
    rows   BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX try_pages_by_time ON try_pages (tenant, last, first);

-- The same of requests, which go when their time is over.
CREATE TABLE request_pages (
    no     INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    first  BLOB NOT NULL,
    last   BLOB NOT NULL,
    rows   BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX request_pages_by_time ON request_pages (tenant, last, first);
CREATE INDEX request_pages_by_age ON request_pages (first);
