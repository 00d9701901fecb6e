-- name: of_entity
-- To whom an organisation gave its consent, each as it stands, those that it said something of last first.
select number, at, client_id, given_at, until, withdrawn_at, holds
from consents_of($1)
where number < $2
order by number desc
limit $3;

-- name: one
-- The same of one partner.
select number, at, client_id, given_at, until, withdrawn_at, holds
from consents_of($1)
where client_id = $2;

-- name: give
-- Give consent, unless it is given just so already; whether there is such a partner.
select give_consent($1, $2, $3, $4);

-- name: withdraw
-- Withdraw it, if it was given.
select withdraw_consent($1, $2);
