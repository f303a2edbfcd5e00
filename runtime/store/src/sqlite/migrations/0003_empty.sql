-- Of a journal without any slot, for which only a payload or a snapshot was kept: how far the sweep had come that met
-- it first, and the largest integer until one does. Such a journal goes a day after that.
ALTER TABLE journals ADD COLUMN empty_at INTEGER;
CREATE INDEX journals_empty ON journals (empty_at) WHERE empty_at IS NOT NULL;
UPDATE journals SET empty_at = 9223372036854775807
    WHERE NOT EXISTS (SELECT 1 FROM slots WHERE id = journals.no << 32);
