-- name: lock_beginning
-- One process at a time begins the log; held to the end of the transaction.
select pg_advisory_xact_lock(7240117, 2);

-- name: identity
-- Which log this is; no row before it has begun.
select origin, verifier_key, receipt_verifier_key, began_at from log_identity;

-- name: begin
-- Begin the log: its identity for good, and where it stands.
with begun as (
    insert into log_identity (origin, verifier_key, receipt_verifier_key) values ($1, $2, $3)
)
insert into log_state default values;
