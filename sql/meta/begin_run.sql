-- Begin the transaction of a run.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET LOCAL work_mem = '128MB';
SET LOCAL jit = off;  -- compiling a query takes longer than running it on a day's events
