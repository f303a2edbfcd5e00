-- Journals by number: the number stands for (tenant, journal) in every other table.
CREATE TABLE journals (
    no         INTEGER PRIMARY KEY CHECK (no > 0 AND no < 2147483648),
    tenant     TEXT NOT NULL,
    journal    TEXT NOT NULL,
    deleted_at INTEGER, -- of a hollow journal: when its Deleted entry was written
    UNIQUE (tenant, journal)
) STRICT;
CREATE INDEX journals_deleted ON journals (deleted_at) WHERE deleted_at IS NOT NULL;

-- The log. id = no << 32 | seq: a journal's slots lie together, and an append touches one page.
CREATE TABLE slots (
    id          INTEGER PRIMARY KEY,
    nonce       BLOB NOT NULL,
    node        TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    entries     TEXT NOT NULL -- JSON
) STRICT;

CREATE TABLE sessions (
    no         INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    id         TEXT NOT NULL,
    subject    TEXT NOT NULL,
    title      TEXT,
    created_at INTEGER NOT NULL,
    deleted    INTEGER NOT NULL, -- 1: deleted, 2: and hollow
    row        TEXT NOT NULL -- JSON: the whole row
) STRICT;
CREATE INDEX sessions_full ON sessions (tenant, id) WHERE deleted = 1;
CREATE INDEX sessions_by_creation ON sessions (tenant, created_at, id) WHERE deleted = 0;
CREATE INDEX sessions_by_subject ON sessions (tenant, subject, created_at, id) WHERE deleted = 0;

-- id = no << 32 | ordinal.
CREATE TABLE tasks (
    id         INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    journal    TEXT NOT NULL,
    subject    TEXT NOT NULL,
    own        INTEGER NOT NULL, -- 1: the journal is the task's own, and goes some time after its end
    status     TEXT NOT NULL,
    parent     TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    due        INTEGER,
    row        TEXT NOT NULL -- JSON: the whole row
) STRICT;
CREATE INDEX tasks_by_creation ON tasks (tenant, created_at);
CREATE INDEX tasks_by_subject ON tasks (tenant, subject, created_at);
CREATE INDEX tasks_by_parent ON tasks (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX tasks_open ON tasks (tenant, journal, status) WHERE status IN ('ACCEPTED', 'RUNNING');
CREATE INDEX tasks_resting ON tasks (tenant, created_at) WHERE status IN ('WAITING', 'OUTCOME_UNKNOWN');
CREATE INDEX tasks_due ON tasks (due, tenant, journal) WHERE due IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (updated_at)
    WHERE own = 1 AND status IN ('COMPLETED', 'FAILED', 'CANCELLED');

CREATE TABLE messages (
    rowid   INTEGER PRIMARY KEY,
    no      INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    place   INTEGER NOT NULL, -- the entry's index in its slot
    at      INTEGER NOT NULL,
    message TEXT NOT NULL, -- JSON
    UNIQUE (no, seq, place)
) STRICT;

CREATE TABLE snapshots (
    no    INTEGER PRIMARY KEY,
    next  INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;

CREATE TABLE blobs (
    rowid   INTEGER PRIMARY KEY,
    no      INTEGER NOT NULL,
    id      TEXT NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (no, id)
) STRICT;
