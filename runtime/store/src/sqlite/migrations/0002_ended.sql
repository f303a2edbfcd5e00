-- The same index by another condition: SQLite makes a temporary table for a list of three, at every write of a task.
DROP INDEX tasks_ended;
CREATE INDEX tasks_ended ON tasks (updated_at)
    WHERE own = 1 AND (status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED');
