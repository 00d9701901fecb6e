"""Which clock runs in a case, from when, and by which procedure."""

from datetime import timedelta

import pytest

from creditsvc.domain import instants
from creditsvc.domain.cases import procedure_of, running, withheld_from
from creditsvc.domain.parties import party
from tests.cases import OBJ, PARTY, THIRD_SOURCE, ZONE, Life, brought_to, step
from tests.making import CATALOGUE, OTHER_SOURCE


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("opened", "decide"),
        ("accepted", "decide"),
        ("upheld", "remedy"),
        ("refused", "appeal"),
        ("appealed", "decide"),
        ("refused again", None),
        ("withdrawn", None),
        ("closed", None),
        ("repair applied", "accept"),
        ("repair asked", "supplement"),
        ("repair accepted", "decide"),
        ("repair refused", None),
        ("repair denied", None),
        ("repair granted", None),
        ("repair withdrawn", None),
        ("repair closed", None),
    ],
)
def test_the_clock_that_runs(state, expected):
    assert step(brought_to(state)) == expected


def test_accepting_starts_a_clock_of_its_own_only_where_the_procedure_says_so():
    general = Life().say("objection.opened", by=PARTY, **OBJ)
    opened = general.at
    general.say("objection.accepted", **OBJ)
    listed = Life("abnormal.listed").say("objection.opened", by=PARTY, **OBJ)
    assert step(listed) == "accept"
    listed.say("objection.accepted", **OBJ)
    for life, since in ((general, opened), (listed, listed.at)):
        found = running(life.case, procedure_of(life.case, life.record, CATALOGUE, ZONE))
        assert (found.step, found.since) == ("decide", since)


def test_a_referral_gives_nobody_more_time_before_the_public_is_shown_it_no_more():
    zone, days = instants.zone_of("usdot:830331"), timedelta(days=1)
    referral = OBJ | {"decision": "referred"}
    life = Life("carrier.inspected", subject="usdot:830331")
    applicant = party("usdot:830331")
    life.say("objection.opened", by=applicant, after=days * 300, **OBJ)
    opened = life.at
    life.say("objection.decided", after=days * 10, to=OTHER_SOURCE, **referral)
    due = instants.start_of((opened.astimezone(zone) + days * 31).date(), zone)
    assert withheld_from(life.record, CATALOGUE, zone) == due
    life.say("objection.decided", by=OTHER_SOURCE, **OBJ, decision="refused", reason="核实无误")
    assert withheld_from(life.record, CATALOGUE, zone) is None
    life.say("objection.appealed", by=applicant, after=days * 10, **OBJ)
    appealed = life.at
    life.say("objection.decided", by=OTHER_SOURCE, after=days * 10, to=THIRD_SOURCE, **referral)
    due = instants.start_of((appealed.astimezone(zone) + days * 31).date(), zone)
    assert withheld_from(life.record, CATALOGUE, zone) == due


@pytest.mark.parametrize(("days", "name"), [(30, "abnormal-2014"), (31, "objection-general")])
def test_the_procedure_of_a_listing_holds_within_thirty_days_of_it(days, name):
    life = Life("abnormal.listed")
    last = instants.start_of((life.at.astimezone(ZONE) + timedelta(days=days)).date(), ZONE)
    life.say("objection.opened", by=PARTY, after=last - life.at, **OBJ)
    assert procedure_of(life.case, life.record, CATALOGUE, ZONE).name == name
