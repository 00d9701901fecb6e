"""Moves in one case that come at once, through two services: one is made, and the rest hear why not."""

import asyncio

import pytest

from creditsvc.domain.parties import party
from creditsvc.errors import CaseConflict
from creditsvc.ledger import fsck
from creditsvc.ledger.receipts import Receipt
from tests.making import ENTITY, SOURCE, event, ledger

PENALTY = {"severity": "general", "category": "罚款", "decided_on": "2026-04-30"}
OWN = {"source": party(ENTITY), "record_source": SOURCE}
OPENED = event("objection.opened", "P", objection="O", ground="wrong", **OWN)


def decided(decision):
    return event("objection.decided", "P", objection="O", decision=decision, reason="经核实")


def withdrawn():
    return event("objection.withdrawn", "P", objection="O", **OWN)


def another(number):
    return event("objection.opened", "P", objection=number, ground="wrong", **OWN)


def repair(number):
    said = {"commitment": "承诺依法经营", "evidence": [{"reference": "缴款凭证"}]}
    return event("repair.applied", "P", repair=number, **OWN, **said)


@pytest.mark.parametrize(
    "moves",
    [
        [made for _ in range(8) for made in (decided("upheld"), decided("refused"), withdrawn())],
        [another("the same number") for _ in range(24)],
        [repair(f"X{number}") for number in range(24)],
    ],
    ids=["decided and withdrawn", "opened under one number", "applied for"],
)
async def test_of_moves_that_exclude_each_other_one_is_made(database, moves):
    async with ledger(database) as (one, _), ledger(database) as (two, _):
        for first in (event("penalty.imposed", "P", **PENALTY), OPENED):
            (taken,) = await one.submit([first])
            assert isinstance(taken, Receipt), taken
        outcomes = await asyncio.gather(
            *((one, two)[place % 2].submit([move]) for place, move in enumerate(moves))
        )
    made = [outcome for (outcome,) in outcomes if isinstance(outcome, Receipt)]
    assert [receipt.sequence for receipt in made] == [3]
    assert {type(outcome) for (outcome,) in outcomes} == {Receipt, CaseConflict}
    assert await fsck.check(database, progress=lambda done, total: None) == []
