"""Pushing, as the interface's page says it, field by field, over HTTP."""

import re

import orjson

from creditsvc.ledger.writer import GROUP_EVENTS
from tests.interface import new_subject, problem
from tests.making import OTHER_SOURCE, SOURCE, raw
from tests.processes import BATCH

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
HASH = re.compile(r"[A-Za-z0-9+/]{43}=")


async def test_a_receipt_its_duplicate_and_its_conflict(api, subject):
    sent = raw(
        "penalty.imposed", "津市监罚〔2026〕123号", subject=subject, datacontenttype="application/json"
    )
    sent["datacontenttype"] = sent["data"].pop("datacontenttype")
    first = await api.push("agency", sent)
    assert (first.status, first.headers["Content-Type"]) == (201, "application/json")
    receipt = first.document
    assert list(receipt) == [
        *("id", "source", "status", "entity", "sequence", "recorded_at", "leaf_hash", "salt", "promise")
    ]
    assert (receipt["id"], receipt["source"], receipt["status"]) == (sent["id"], SOURCE, "accepted")
    assert (receipt["entity"], receipt["sequence"]) == (subject, 1)
    assert INSTANT.fullmatch(receipt["recorded_at"])
    assert HASH.fullmatch(receipt["leaf_hash"])
    again = await api.push("agency", dict(reversed(sent.items())))  # the order of members is no content
    assert again.status == 200
    assert again.document == receipt | {"status": "duplicate"}
    other = new_subject()
    for changed in (
        {"data": sent["data"] | {"title": "改"}},
        {"subject": other},
        {"time": "2026-03-06T00:00:00Z"},
    ):
        problem(await api.push("agency", sent | changed), 409, "event-conflict")
    problem(await api.get("partner", f"/v1/entities/{other}"), 404, "entity-unknown")


async def test_a_batch_is_answered_in_order_and_its_problems_point_into_it(api, subject):
    fine = raw("licence.granted", "L1", subject=subject)
    batch = [
        fine,
        raw("penalty.imposed", "P1", subject=subject, severity="terrible"),
        raw("licence.granted", "L2", subject=subject, source=OTHER_SOURCE),
        raw("licence.granted", "L3", subject="uscc:91350100M000100Y44"),
        fine,
        fine | {"data": fine["data"] | {"record": "L9"}},
        "no event",
        raw("licence.granted", "L4", subject=subject, colour="red"),
        raw("licence.granted", "L5", subject=subject),
        raw("licence.granted", "L1", subject=subject),
    ]
    answer = await api.push("agency", batch)
    assert answer.status == 200
    assert answer.document.keys() == {"results", "promise"}
    results = answer.document["results"]
    assert [result["status"] for result in results] == [
        *("accepted", "rejected", "rejected", "rejected", "duplicate"),
        *("rejected", "rejected", "rejected", "accepted", "rejected"),
    ]
    assert [result["id"] for result in results] == [
        each["id"] if isinstance(each, dict) else None for each in batch
    ]
    assert (results[0]["sequence"], results[4]["sequence"], results[8]["sequence"]) == (1, 1, 2)
    told = {
        place: (result["problem"]["type"].rpartition("/")[2], result["problem"]["status"])
        for place, result in enumerate(results)
        if result["status"] == "rejected"
    }
    assert told == {
        1: ("event-invalid", 422),
        2: ("forbidden", 403),
        3: ("event-invalid", 422),
        5: ("event-conflict", 409),
        6: ("event-invalid", 422),
        7: ("event-invalid", 422),
        9: ("record-exists", 409),
    }
    for place, result in enumerate(results):
        if result["status"] == "rejected":
            assert result.keys() == {"id", "source", "status", "problem"}
            assert result["problem"].keys() == {"type", "title", "status", "detail", "errors"}
            for error in result["problem"]["errors"]:
                assert error.keys() == {"pointer", "code", "detail"}
                assert error["pointer"].split("/")[1] == str(place)
    assert [error["pointer"] for error in results[1]["problem"]["errors"]] == ["/1/data/severity"]
    assert [error["pointer"] for error in results[2]["problem"]["errors"]] == ["/2/source"]
    assert [error["pointer"] for error in results[3]["problem"]["errors"]] == ["/3/subject"]
    assert [error["pointer"] for error in results[7]["problem"]["errors"]] == ["/7/data/colour"]


async def test_a_batch_of_several_parts_is_one_batch_and_what_is_too_deep_fails_alone(api, subject):
    """Parts are appended one by one: places, identities and the promise go over all of them."""
    deep = raw("licence.granted", "D1", subject=subject)
    deep["data"]["scope"] = orjson.Fragment(b"[" * 600 + b"]" * 600)
    first, last = (raw("honour.granted", f"H{place}", subject=subject) for place in (1, 2))
    batch = [first, *[{"id": f"none-{place}"} for place in range(GROUP_EVENTS)], deep, last, first]
    document = (await api.push("agency", batch)).document
    results = document["results"]
    statuses = ["accepted", *["rejected"] * (GROUP_EVENTS + 1), "accepted", "duplicate"]
    assert [result["status"] for result in results] == statuses
    for place, result in enumerate(results[1:-2], start=1):
        assert result["id"] == (f"none-{place - 1}" if place <= GROUP_EVENTS else deep["id"])
        assert result["problem"]["errors"]
        for error in result["problem"]["errors"]:
            assert error["pointer"].split("/")[1] == str(place)
    assert (results[0]["sequence"], results[-2]["sequence"], results[-1]["sequence"]) == (1, 2, 1)
    assert document["promise"].split("\n")[3] == "3"


async def test_a_single_events_problem_points_into_it_and_a_foreign_source_is_forbidden(api, subject):
    document = problem(
        await api.push("agency", raw("penalty.imposed", subject=subject, severity="terrible")),
        422,
        "event-invalid",
    )
    assert [error["pointer"] for error in document["errors"]] == ["/data/severity"]
    for event in (raw("honour.granted", subject=subject, source=OTHER_SOURCE), {"source": OTHER_SOURCE}):
        document = problem(await api.push("agency", event), 403, "forbidden")
        assert [error["pointer"] for error in document["errors"]] == ["/source"]
    for who, status in (
        ("public", 401),
        ("partner", 403),
        ("itself", 403),
        ("operator", 403),
        ("auditor", 403),
    ):
        answer = await api.push(who, raw("honour.granted", subject=subject))
        problem(answer, status, "unauthenticated" if status == 401 else "forbidden")
    problem(await api.get("partner", f"/v1/entities/{subject}"), 404, "entity-unknown")


async def test_the_bounds_of_a_batch(api, subject):
    problem(await api.push("agency", []), 400, "malformed")
    problem(await api.push("agency", [{}] * 5_001), 413, "too-large")
    problem(await api.ask("agency", "POST", "/v1/events", {}, BATCH), 400, "malformed")
    large = raw("penalty.imposed", subject=subject)
    large["data"]["facts"] = "实" * 22_000
    problem(await api.push("agency", large), 413, "too-large")
    (result,) = (await api.push("agency", [large])).document["results"]
    assert result["problem"]["status"] == 413


async def test_own_records_may_be_corrected_and_revoked_and_others_may_not(api, subject):
    await api.taken(
        "agency",
        raw("honour.granted", "H1", subject=subject, title="原来的标题"),
        raw("honour.granted", "H2", subject=subject),
    )
    correction = {"reason": "录入错误", "changes": {"title": "更正的标题"}}
    await api.taken("agency", raw("record.corrected", "H1", subject=subject, **correction))
    await api.taken("agency", raw("record.revoked", "H2", subject=subject, reason="撤销"))
    for kind, given in (("corrected", correction), ("revoked", {"reason": "不是我的"})):
        event = raw(f"record.{kind}", "H1", subject=subject, source=OTHER_SOURCE, **given)
        told = problem(await api.push("another agency", event), 403, "forbidden")
        (result,) = (await api.push("another agency", [event])).document["results"]
        assert result["problem"]["status"] == 403
        assert "标题" not in orjson.dumps([told, result]).decode()
        assert SOURCE not in orjson.dumps([told, result["problem"]]).decode()
    items = (await api.get("agency", f"/v1/entities/{subject}/records")).document["items"]
    assert [(item["record"], item["sequences"]) for item in items] == [("H1", [1, 3]), ("H2", [2, 4])]
    assert items[0]["data"]["title"] == "更正的标题"
    seen = (await api.get("another agency", f"/v1/entities/{subject}/records")).document["items"]
    assert [item["record"] for item in seen] == ["H1"]
    history = (await api.get("public", f"/v1/entities/{subject}/history")).document["items"]
    assert [item["sequence"] for item in history] == [1, 3]
