-- A row a try. The id begins with the time.
CREATE TABLE ledger (
    tenant       TEXT NOT NULL,
    id           BLOB NOT NULL,
    at           INTEGER NOT NULL,
    subject      TEXT NOT NULL,
    key          TEXT,
    session      TEXT,
    task         TEXT,
    request      TEXT,
    asked        TEXT,
    assigned     TEXT NOT NULL,
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    number       INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    fault        TEXT, -- none: it ended well
    tries        INTEGER NOT NULL,
    took         INTEGER NOT NULL, -- milliseconds
    first        INTEGER, -- milliseconds to the first content
    input        INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    cost         INTEGER, -- billionths of a US dollar; none: no price is known
    estimated    INTEGER NOT NULL,
    error        REAL, -- of estimated rows: how far off estimates were of late
    prices       TEXT NOT NULL, -- the version of the price table
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- What tries of a day came to. An absent key is empty.
CREATE TABLE spend (
    tenant       TEXT NOT NULL,
    day          TEXT NOT NULL, -- 2026-11-26
    subject      TEXT NOT NULL,
    key          TEXT NOT NULL,
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    tries        INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    input        INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    cost         INTEGER NOT NULL,
    unpriced     INTEGER NOT NULL,
    estimated    INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, subject, key, provider, model, kind)
) STRICT, WITHOUT ROWID;

-- A row a request; they go when their time is over. By age, so that new ones are put at the end and the oldest are
-- found at once: one tree to write a request, and a store in a file has few tenants to read past.
CREATE TABLE requests (
    id     BLOB NOT NULL,
    tenant TEXT NOT NULL,
    row    TEXT NOT NULL, -- JSON: the whole row
    PRIMARY KEY (id, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE budgets (
    tenant TEXT NOT NULL,
    id     TEXT NOT NULL,
    row    TEXT NOT NULL, -- JSON: the whole budget
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
