"""Scores over HTTP: taken apart, by any model, as of any instant; and what would change them."""

from fractions import Fraction

import pytest

from tests.interface import JSON
from tests.making import SOURCE, raw


@pytest.fixture
async def fined(api, subject):
    """An organisation with two penalties (one of them minor), an honour and two road-side checks."""
    sent = [
        raw("penalty.imposed", "P1", subject=subject, severity="serious", decided_on="2026-08-01"),
        raw("penalty.imposed", "P2", subject=subject, severity="minor", decided_on="2026-08-01"),
        raw("honour.granted", "H1", subject=subject),
        raw("inspection.completed", "I1", subject=subject, outcome="excellent", decided_on="2026-08-01"),
    ]
    answer = await api.push("agency", sent)
    assert [one["status"] for one in answer.document["results"]] == ["accepted"] * 4
    return subject


async def test_the_official_score_adds_up_and_is_the_profiles(api, fined):
    for who, value in (("public", 600 - 120 + 20 + 8), ("partner", 600 - 120 - 8 + 20 + 8)):
        profile = (await api.get(who, f"/v1/entities/{fined}")).document
        told = (await api.get(who, f"/v1/entities/{fined}/score")).document
        assert told["value"] == profile["score"]["value"] == value
        assert told["grade"] == profile["score"]["grade"]
        assert told["valid_from"] == profile["valid_from"]
        shares = [Fraction(one["share"]) for one in told["contributions"]["items"]]
        adjustments = [Fraction(one) for one in told["adjustments"].values()]
        assert told["start"] + sum(shares) + sum(adjustments) == told["value"]
        strongest = told["contributions"]["items"][0]
        assert (strongest["code"], strongest["record"]) == ("penalty-serious", "P1")
        weights = [abs(Fraction(one["share"])) for one in told["contributions"]["items"][:4]]
        assert [abs(one["points"]) for one in profile["score"]["factors"]] == weights


async def test_it_is_paged_and_comes_back_as_of_its_own_instant(api, fined):
    path = f"/v1/entities/{fined}/score"
    whole = (await api.get("partner", path)).document
    found, following = [], f"{path}?limit=3"
    while following:
        page = (await api.get("partner", following)).document
        found += page["contributions"]["items"]
        after = page["contributions"]["next"]
        following = f"{path}?limit=3&cursor={after}" if after else None
    assert found == whole["contributions"]["items"]
    first = await api.get("partner", path)
    await api.push("agency", [raw("honour.granted", "H2", subject=fined)])
    again = await api.get("partner", f"{path}?as_of={whole['valid_from']}")
    assert again.body == first.body
    assert again.headers["ETag"] == first.headers["ETag"]
    now = await api.get("partner", path)
    assert now.document["value"] == whole["value"] + 20
    unchanged = await api.get("partner", path, If_None_Match=now.headers["ETag"])
    assert (unchanged.status, unchanged.body) == (304, b"")


async def test_any_model_scores_and_an_unknown_one_is_refused(api, subject):
    check = {"subject": subject, "outcome": "needs-improvement", "decided_on": "2026-08-01"}
    names = [one["name"] for one in (await api.get("public", "/v1/models")).document["items"]]
    published = {"cn-tax-rating", "eu-2022-695", "eu-2014-47", "fmcsa-sms", "dvsa-ocrs"}
    assert published | {"credit-baseline"} <= set(names)
    await api.push("agency", [raw("inspection.completed", "I1", **check)])
    for name in names:
        answer = await api.get("public", f"/v1/entities/{subject}/score?model={name}")
        assert answer.status == 200
        assert answer.document["model"] == name
        exact = await api.get("public", f"/v1/entities/{subject}/score?model={name}@1")
        assert exact.document == answer.document
    for named in ("no-such-model", "credit-baseline@999"):
        answer = await api.get("public", f"/v1/entities/{subject}/score?model={named}")
        assert (answer.status, answer.document["type"]) == (404, "/problems/not-found")


async def test_models_are_published_with_their_method(api):
    answer = await api.get("public", "/v1/models")
    (official,) = [one for one in answer.document["items"] if one["official"]]
    assert official["name"] == "credit-baseline"
    assert official["method"].startswith("# credit-baseline")
    assert {rule["code"] for rule in official["rules"]["rules"]} >= {"penalty-general", "serious-listed"}
    assert (await api.get("public", "/v1/models", If_None_Match=answer.headers["ETag"])).status == 304


async def what_if(api, who, subject, **given):
    return await api.ask(who, "POST", f"/v1/entities/{subject}/score/what-if", given, JSON)


async def test_what_if_tells_what_a_repair_or_time_would_change_and_stores_nothing(api, fined):
    before = await api.get("partner", f"/v1/entities/{fined}/history")
    named = [{"record": "P1", "source": SOURCE}]
    repaired = (await what_if(api, "partner", fined, repaired=named)).document
    assert repaired["after"]["value"] - repaired["before"]["value"] == 120
    assert repaired["changes"] == [
        {"record": "P1", "source": SOURCE, "code": "penalty-serious", "before": "-120", "after": "0"}
    ]
    revoked = (await what_if(api, "partner", fined, revoked=named)).document
    assert revoked["after"] == repaired["after"]
    later = (await what_if(api, "partner", fined, at="2027-12-01T00:00:00Z")).document
    changed = {one["record"]: (one["before"], one["after"]) for one in later["changes"]}
    assert changed["P1"] == ("-120", "-60")
    nothing = (await what_if(api, "partner", fined)).document
    assert (nothing["before"], nothing["changes"]) == (nothing["after"], [])
    # The public doesn't see the minor penalty, so it cannot suppose anything of it either.
    hidden = await what_if(api, "public", fined, repaired=[{"record": "P2", "source": SOURCE}])
    unknown = await what_if(api, "public", fined, repaired=[{"record": "P9", "source": SOURCE}])
    assert hidden.status == unknown.status == 400
    assert hidden.document["errors"] == unknown.document["errors"]
    assert hidden.document["errors"][0]["pointer"] == "/repaired/0"
    assert (await api.get("partner", f"/v1/entities/{fined}/history")).body == before.body


MALFORMED = [
    [],
    {"x": 1},
    {"repaired": {}},
    {"repaired": [1]},
    {"repaired": [{"record": "P1"}]},
    {"at": 5},
    {"at": "soon"},
    {"at": "9999-12-31T23:59:59Z"},
    {"model": 3},
    {"revoked": [{"record": "a", "source": "b"}] * 101},
]


@pytest.mark.parametrize("body", MALFORMED)
async def test_a_malformed_what_if_is_refused_with_a_pointer(api, fined, body):
    answer = await api.ask("public", "POST", f"/v1/entities/{fined}/score/what-if", body, JSON)
    assert (answer.status, answer.document["type"]) == (400, "/problems/malformed")
