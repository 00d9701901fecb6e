"""What every answer carries, and what caches and browsers go by."""

import base64
import hashlib
import re

import pytest

from creditsvc.web.app import ROUTES
from creditsvc.web.parameters import NO_NUL
from tests.conformance.conftest import Serve, Service

FIXED = [
    *("/openapi.json", "/docs", "/v1/catalogue", "/problems/malformed"),
    *("/v1/log/verifier.py", "/.well-known/creditsvc-log.json"),
]


@pytest.mark.parametrize("path", [*FIXED, "/livez", "/nowhere", "/metrics"])
async def test_every_answer_is_safe_in_a_browser(service: Service, path):
    async with service.session.get(path) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Server"] == "creditsvc", "and says nothing of versions"
        html = answer.content_type == "text/html"
        assert answer.headers["Cross-Origin-Resource-Policy"] == ("same-origin" if html else "cross-origin")
        assert ("Content-Security-Policy" in answer.headers) == html


@pytest.mark.parametrize("path", ["/docs", "/problems/malformed"])
async def test_pages_fetch_nothing_and_run_nothing(service: Service, path):
    async with service.session.get(path) as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy
    assert not re.search(r"<(script|link|img|iframe|object)|@import|url\(|\son\w+=|\sstyle=", page)
    assert not [link for link in re.findall(r'(?:href|src)="([^"]*)"', page) if "//" in link]


async def test_the_page_shows_every_operation_and_every_schema(service: Service):
    async with service.session.get("/docs") as answer:
        page = await answer.text()
    async with service.session.get("/openapi.json") as answer:
        api = await answer.json()
    for route in (route for route in ROUTES if not route.page):
        assert f'id="{route.name}"' in page
    for name in api["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    targets = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= targets


async def test_the_page_is_written_for_people(service: Service):
    async with service.session.get("/docs") as answer:
        page = re.sub(r"<pre>.*?</pre>", "", await answer.text(), flags=re.DOTALL)
    assert "the <code>valid_from</code> of an answer" in page
    assert "`" not in page
    assert not re.search(r"at (least|most) \d+\.0", page), "whole numbers are whole"
    assert NO_NUL not in page, "what every text keeps to is no news"
    assert not re.search(r"unless given\b[^<]*unless given", page)


@pytest.mark.parametrize("path", FIXED)
async def test_what_is_kept_is_not_sent_again(service: Service, path):
    async with service.session.get(path) as answer:
        etag = answer.headers["ETag"]
        assert "max-age" in answer.headers["Cache-Control"]
    for kept in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        async with service.session.get(path, headers={"If-None-Match": kept}) as answer:
            assert answer.status == 304
            assert answer.headers["ETag"] == etag
            assert await answer.read() == b""
    async with service.session.get(path, headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", [*FIXED, "/livez", "/v1/entities/siren:552081317"])
async def test_head_is_get_without_its_body(service: Service, path):
    async with service.session.get(path) as answer:
        status, length = answer.status, answer.headers["Content-Length"]
    async with service.session.head(path) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (status, length) or status >= 400
        assert await answer.read() == b""


async def test_a_request_keeps_the_id_it_came_with_if_that_is_fit(service: Service):
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with service.session.get("/livez", headers={"X-Request-Id": trace}) as answer:
        assert answer.headers["X-Request-Id"] == trace
    person = "11010519491231002X"
    async with service.session.get("/livez", headers={"X-Request-Id": person}) as answer:
        assert answer.headers["X-Request-Id"] != person


async def test_limits_are_told_and_held(serve: Serve):
    service = await serve(anonymous_per_minute=3)
    for left in (2, 1, 0):
        async with service.session.get("/v1/catalogue") as answer:
            assert answer.status == 200
            assert answer.headers["RateLimit-Policy"] == '"public";q=3;w=60'
            assert answer.headers["RateLimit"].startswith(f'"public";r={left};t=')
    async with service.session.get("/nowhere") as answer:
        assert answer.status == 429
        assert answer.content_type == "application/problem+json"
        assert 1 <= int(answer.headers["Retry-After"]) <= 20
        assert answer.headers["RateLimit"].startswith('"public";r=0;')
    guess = {"Authorization": "Bearer guess." + "x" * 32}
    async with service.session.get("/v1/catalogue", headers=guess) as answer:
        assert answer.status == 429, "guessing keys costs what anonymous requests cost"
    async with service.session.get("/livez") as answer:
        assert answer.status == 200, "probes are neither limited nor counted"


async def test_guesses_spend_the_limit_of_their_address(serve: Serve):
    service = await serve(anonymous_per_minute=3)
    statuses = []
    for number in range(5):
        guess = {"Authorization": f"Bearer guess{number}." + "x" * 32}
        async with service.session.get("/v1/catalogue", headers=guess) as answer:
            statuses.append(answer.status)
    assert statuses == [401, 401, 401, 429, 429]


async def test_behind_a_proxy_of_ours_its_word_on_the_address_counts(serve: Serve):
    service = await serve(anonymous_per_minute=1, trust_forwarded=True)
    for forwarded, status in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        ("192.0.2.9, 192.0.2.1", 429),
        ("192.0.2.1, 192.0.2.2", 200),
    ]:
        headers = {"X-Forwarded-For": forwarded}
        async with service.session.get("/v1/catalogue", headers=headers) as answer:
            assert answer.status == status, forwarded
