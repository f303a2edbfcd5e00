-- What supervisors saw of agents: a row for each stretch of time over which an instance stayed as it was. A row grows by
-- its last column alone, which no index has.
CREATE TABLE agent_history (
    agent    TEXT NOT NULL,
    since    INTEGER NOT NULL,
    node     TEXT NOT NULL,
    instance TEXT NOT NULL, -- empty: the last one had left
    seen     TEXT NOT NULL, -- JSON: how it was
    until    INTEGER NOT NULL,
    PRIMARY KEY (agent, since, node, instance)
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_history_since ON agent_history (since);
