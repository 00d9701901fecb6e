"""Looking up, as the interface's page says it, field by field, over HTTP."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import aiohttp

from tests.interface import JSON, Answer, Interface, new_subject, problem
from tests.making import ENTITY, SOURCE, raw

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
VARYING = {"x-request-id", "date", "ratelimit"}


async def test_the_shape_of_a_profile(api, subject):
    await api.taken(
        "agency",
        raw("registration.changed", None, subject=subject, entity_name="示例有限公司", status="active"),
        raw("penalty.imposed", "P1", subject=subject, severity="general", decided_on="2026-04-05"),
        raw("abnormal.listed", "A1", subject=subject, time="2026-02-03T04:05:06Z"),
        raw("objection.opened", "P1", subject=subject),
        *(raw("licence.granted", f"L{n}", subject=subject) for n in range(3)),
        *(raw("honour.granted", f"H{n}", subject=subject) for n in range(3)),
    )
    answer = await api.get("partner", f"/v1/entities/{subject}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    profile = answer.document
    assert list(profile) == [
        *("entity", "name", "status", "version", "valid_from", "valid_until"),
        *("score", "standing", "listings", "objections", "records"),
    ]
    assert (profile["entity"], profile["name"], profile["status"]) == (subject, "示例有限公司", "active")
    assert (profile["version"], profile["objections"]) == (10, 1)
    assert profile["records"] == f"/v1/entities/{subject}/records"
    assert INSTANT.fullmatch(profile["valid_from"])
    assert INSTANT.fullmatch(profile["valid_until"])
    assert profile["valid_from"] < datetime.now(UTC).isoformat() < profile["valid_until"]
    standing = {name: number for name, number in profile["standing"].items() if number}
    assert standing == {"registration": 1, "licence": 3, "penalty": 1, "abnormal": 1, "honour": 3}
    assert profile["listings"] == [
        {"class": "abnormal", "record": "A1", "source": SOURCE, "since": "2026-02-03T04:05:06.000000Z"}
    ]
    score = profile["score"]
    assert list(score) == ["model", "version", "value", "grade", "factors"]
    assert (score["model"], score["version"]) == ("credit-baseline", "1")
    assert 0 <= score["value"] <= 1000
    assert len(score["factors"]) == 4, "the four that weigh most"
    assert all(list(factor) == ["code", "points", "record", "until"] for factor in score["factors"])
    weights = [abs(factor["points"]) for factor in score["factors"]]
    assert weights == sorted(weights, reverse=True)


async def test_records_and_history_field_by_field(api, subject):
    penalty = raw("penalty.imposed", "P1", subject=subject, severity="serious", decided_on="2026-04-05")
    (first,) = await api.taken("agency", penalty)
    (second,) = await api.taken("agency", raw("honour.granted", "H1", subject=subject))
    records = (await api.get("partner", f"/v1/entities/{subject}/records")).document
    assert list(records) == ["entity", "valid_from", "valid_until", "items", "next"]
    assert records["valid_from"] == second["recorded_at"]
    item = records["items"][0]
    assert list(item) == [
        *("record", "source", "type", "class", "state", "time", "publicity", "objected"),
        *("cases", "sequences", "data"),
    ]
    assert item["publicity"] == {
        "public": True,
        "from": "2026-04-05T04:00:00.000000Z",  # the day begins in New York
        "until": "2029-04-06T04:00:00.000000Z",
        "repairable_from": "2027-04-06T04:00:00.000000Z",
        "rule": "ndrc-36-2026",
    }
    assert (item["class"], item["time"]) == ("penalty", "2026-03-04T16:00:00.000000Z")
    only = (await api.get("partner", f"/v1/entities/{subject}/records?type=credit.honour.granted")).document
    assert [one["record"] for one in only["items"]] == ["H1"]
    history = (await api.get("public", f"/v1/entities/{subject}/history")).document
    assert list(history) == ["entity", "valid_from", "valid_until", "items", "next"]
    assert history["items"][0] == {
        "sequence": 1,
        "recorded_at": first["recorded_at"],
        "leaf_hash": first["leaf_hash"],
        "salt": first["salt"],
        "event": penalty,
    }


async def test_answers_kept_come_back_byte_for_byte(api, subject):
    """Whatever is pushed meanwhile: `as_of` their `valid_from`, and from the ETag nothing at all."""
    kept: list[tuple[str, str, Answer]] = []
    renamed = {"entity_name": "后来的名称", "time": "2026-05-01T00:00:00Z"}
    steps = [
        raw("penalty.imposed", "P1", subject=subject, severity="general", decided_on="2026-04-05"),
        # Not public; but it is the last to name the organisation.
        raw("penalty.imposed", "P2", subject=subject, severity="minor", decided_on="2026-05-01", **renamed),
        raw("honour.granted", "H1", subject=subject),
        raw("record.corrected", "P1", subject=subject, reason="更正", changes={"severity": "minor"}),
        raw("record.revoked", "H1", subject=subject, reason="撤销"),
        raw("honour.granted", "H2", subject=subject),
    ]
    for step in steps:
        await api.taken("agency", step)
        for who in ("public", "partner", "agency", "another agency", "operator"):
            for path in ("", "/records", "/history"):
                answer = await api.get(who, f"/v1/entities/{subject}{path}")
                if answer.status == 200:
                    kept.append((who, path, answer))
                    now = await api.get(
                        who, f"/v1/entities/{subject}{path}", If_None_Match=answer.headers["ETag"]
                    )
                    assert (now.status, now.body) == (304, b"")
                    assert now.headers["ETag"] == answer.headers["ETag"]
    assert len(kept) > 70
    tags = {}
    for who, path, answer in kept:
        assert answer.headers["Vary"] == "Authorization"
        scope = "public" if who == "public" else "private"
        assert answer.headers["Cache-Control"] == f"{scope}, no-cache"
        at = answer.document["valid_from"]
        for written in (at, at.replace("Z", "%2B00:00")):
            again = await api.get(who, f"/v1/entities/{subject}{path}?as_of={written}")
            assert (again.status, again.body) == (200, answer.body), (who, path, at)
            assert again.headers["ETag"] == answer.headers["ETag"]
            found = re.fullmatch(rf"{scope}, max-age=(\d+)", again.headers["Cache-Control"])
            assert found
            until = answer.document["valid_until"]
            if until is not None:
                left = datetime.fromisoformat(until) - datetime.now(UTC)
                assert int(found[1]) <= left.total_seconds()
        same = await api.get(
            who, f"/v1/entities/{subject}{path}?as_of={at}", If_None_Match=answer.headers["ETag"]
        )
        assert same.status == 304
        assert tags.setdefault((who, path, answer.headers["ETag"]), answer.body) == answer.body
    before = (
        datetime.fromisoformat(kept[0][2].document["valid_from"]) - timedelta(microseconds=1)
    ).isoformat()
    problem(await api.get("partner", f"/v1/entities/{subject}?as_of={quote(before)}"), 404, "entity-unknown")
    future = problem(
        await api.get("partner", f"/v1/entities/{subject}?as_of=2999-01-01T00:00:00Z"), 404, "not-found"
    )
    assert [error["code"] for error in future["errors"]] == ["future"]


async def test_pages_together_are_the_whole_list_of_one_instant(api, subject):
    await api.taken("agency", *(raw("honour.granted", f"H{n}", subject=subject) for n in range(23)))
    for path, name in (("records", "record"), ("history", "sequence")):
        whole = (await api.get("partner", f"/v1/entities/{subject}/{path}")).document
        found, cursor, pages = [], None, 0
        while cursor is not None or pages == 0:
            following = f"&cursor={cursor}" if cursor else ""
            page = (await api.get("partner", f"/v1/entities/{subject}/{path}?limit=5{following}")).document
            assert page["valid_from"] == whole["valid_from"]
            found += page["items"]
            cursor, pages = page["next"], pages + 1
            if pages == 2:
                await api.taken("agency", raw("honour.granted", f"late {path}", subject=subject))
                await api.taken("agency", raw("record.revoked", "H20", subject=subject, reason="撤"))
        assert found == whole["items"]
        assert pages == -(-len(found) // 5), name
    for wrong in ("limit=0", "limit=1001", "limit=x", "cursor=x", "limit=5&limit=6", "page=2"):
        problem(await api.get("partner", f"/v1/entities/{subject}/records?{wrong}"), 400, "malformed")


async def test_search_says_why_and_is_paged(api):
    names = {new_subject(): f"蓬莱第{n}水产有限公司" for n in range(7)}
    await api.taken(
        "agency", *(raw("honour.granted", subject=one, entity_name=name) for one, name in names.items())
    )
    whole = (await api.get("public", f"/v1/entities?name={quote('蓬莱')}")).document
    assert list(whole) == ["valid_from", "items", "next"]
    assert {item["entity"]: item["name"] for item in whole["items"]} == names
    assert {tuple(item) for item in whole["items"]} == {("entity", "name", "match")}
    assert {item["match"]["reason"] for item in whole["items"]} == {"starts-with"}
    found, cursor = [], ""
    while cursor is not None:
        page = (await api.get("public", f"/v1/entities?name={quote('蓬莱')}&limit=3{cursor}")).document
        found += page["items"]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert found == whole["items"]
    exact = (await api.get("public", f"/v1/entities?name={quote('蓬莱第3水产有限公司')}")).document["items"]
    assert [item["match"]["reason"] for item in exact] == ["exact"]
    problem(await api.get("public", "/v1/entities?name=x"), 400, "malformed")
    problem(await api.get("public", "/v1/entities"), 400, "malformed")


async def test_look_ups_in_a_batch_are_answered_in_order(api, subject):
    await api.taken("agency", raw("honour.granted", subject=subject))
    profile = (await api.get("partner", f"/v1/entities/{subject}")).document
    unknown = new_subject()
    entities = [unknown, subject, "uscc:91350100M000100Y44", subject.upper(), "nonsense"]
    for at in ({}, {"as_of": profile["valid_from"]}):
        answer = await api.ask("partner", "POST", "/v1/lookups", {"entities": entities} | at, JSON)
        assert answer.status == 200
        results = answer.document["results"]
        assert results[0] == {"entity": unknown, "found": False}
        assert results[1] == results[3] == {"entity": subject, "found": True, "profile": profile}
        for place in (2, 4):
            assert (results[place]["entity"], results[place]["found"]) == (None, False)
            assert results[place]["problem"]["type"] == "/problems/identifier-invalid"
    many = {"entities": [subject] * 1_000}
    assert len((await api.ask("partner", "POST", "/v1/lookups", many, JSON)).document["results"]) == 1_000
    for wrong in ({"entities": [subject] * 1_001}, {"entities": []}, {"entities": [1]}, {}, {"x": 1}, []):
        problem(await api.ask("partner", "POST", "/v1/lookups", wrong, JSON), 400, "malformed")
    problem(await api.ask("public", "POST", "/v1/lookups", many, JSON), 401, "unauthenticated")
    problem(await api.ask("auditor", "POST", "/v1/lookups", many, JSON), 403, "forbidden")


async def test_the_public_sees_what_is_public_and_partners_what_stands(api, subject):
    await api.taken(
        "agency",
        raw("penalty.imposed", "minor", subject=subject, severity="minor", decided_on="2026-04-05"),
        raw("penalty.imposed", "general", subject=subject, severity="general", decided_on="2026-04-05"),
        raw("penalty.imposed", "over", subject=subject, severity="minor", decided_on="2025-01-01"),
    )
    seen = {}
    for who in ("public", "itself", "partner", "auditor", "another agency"):
        profile = (await api.get(who, f"/v1/entities/{subject}")).document
        records = (await api.get(who, f"/v1/entities/{subject}/records")).document["items"]
        history = (await api.get(who, f"/v1/entities/{subject}/history")).document["items"]
        seen[who] = (
            profile["standing"]["penalty"],
            [item["record"] for item in records],
            [item["sequence"] for item in history],
        )
    public, shared = (1, ["general"], [2]), (3, ["minor", "general", "over"], [1, 2, 3])
    # `itself` is another organisation's key: on this one it is shown what the public is.
    assert seen == {"public": public, "itself": public} | dict.fromkeys(
        ("partner", "auditor", "another agency"), shared
    )


async def test_an_organisation_sees_everything_on_itself(api):
    await api.taken(
        "agency",
        raw("penalty.imposed", "own", severity="minor", decided_on="2026-04-05"),
        raw("honour.granted", "gone"),
        raw("record.revoked", "gone", reason="撤销"),
    )
    records = (await api.get("itself", f"/v1/entities/{ENTITY}/records")).document["items"]
    assert [item["record"] for item in records] == ["own", "gone"]
    problem(await api.get("public", f"/v1/entities/{ENTITY}"), 404, "entity-unknown")


async def test_what_is_not_public_cannot_be_told_from_what_is_not_there(api, subject):
    await api.taken(
        "agency",
        raw(
            "penalty.imposed",
            subject=subject,
            severity="minor",
            decided_on="2026-04-05",
            entity_name="隐名公司",
        ),
        raw("penalty.imposed", "ahead", subject=subject, severity="serious", decided_on="2190-01-01"),
    )
    unknown = new_subject()
    assert (await api.get("partner", f"/v1/entities/{subject}")).status == 200
    at = (await api.get("partner", f"/v1/entities/{subject}")).document["valid_from"]
    for tail in (
        "",
        "/records",
        "/history",
        f"?as_of={at}",
        "/records?limit=1",
        "/history?as_of=2020-01-01T00:00:00Z",
    ):
        for method in ("GET", "HEAD"):
            told = []
            for entity in (subject, unknown):
                answer = await api.ask("public", method, f"/v1/entities/{entity}{tail}")
                body = re.sub(rb'"request_id":"\w+"', b"", answer.body)
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in VARYING}
                told.append((answer.status, body, kept))
            assert told[0] == told[1], tail
            assert told[0][0] == 404
    assert (await api.get("public", f"/v1/entities?name={quote('隐名公司')}")).document["items"] == []
    found = (await api.get("partner", f"/v1/entities?name={quote('隐名公司')}")).document["items"]
    assert [item["entity"] for item in found] == [subject]


async def test_head_is_get_without_its_body(api, subject):
    await api.taken("agency", raw("honour.granted", subject=subject))
    for path in ("", "/records", "/history"):
        got = await api.get("partner", f"/v1/entities/{subject}{path}")
        head = await api.ask("partner", "HEAD", f"/v1/entities/{subject}{path}")
        assert (head.status, head.body) == (200, b"")
        for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control", "Vary"):
            assert head.headers[name] == got.headers[name]


async def test_limits_are_told_on_success_too(api, subject):
    await api.taken("agency", raw("honour.granted", subject=subject))
    for who, role in (("public", "public"), ("partner", "partner"), ("agency", "agency")):
        answer = await api.get(who, f"/v1/entities/{subject}")
        assert re.fullmatch(rf'"{role}";q=\d+;w=60', answer.headers["RateLimit-Policy"])
        assert re.fullmatch(rf'"{role}";r=\d+;t=\d+', answer.headers["RateLimit"])


async def test_a_look_up_that_starts_after_the_receipt_sees_the_event_on_every_worker(
    api, subject, shared_service
):
    for n in range(1, 31):
        (receipt,) = await api.taken("agency", raw("honour.granted", f"H{n}", subject=subject))
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as fresh:
            other = Interface(shared_service, fresh, api.keys)
            for who in ("public", "partner"):
                profile = (await other.get(who, f"/v1/entities/{subject}")).document
                assert profile["standing"]["honour"] == n
                assert profile["valid_from"] == receipt["recorded_at"]
