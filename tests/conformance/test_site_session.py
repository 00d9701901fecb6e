"""Signing in to the pages: what the cookie is and is not, how long it holds, and forms from elsewhere."""

import asyncio
import base64
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from creditsvc.settings import Settings
from creditsvc.store.clients import create_key, revoke_key
from creditsvc.store.database import connect
from creditsvc.web import secret, sessions
from creditsvc.web.site.session import own
from tests.browsing import Browser
from tests.conformance.conftest import Serve, Service, with_keys
from tests.making import ENTITY, SOURCE
from tests.processes import PATIENCE_S

SEAL = sessions.Seal(bytes(32))
RESIDENT = "11010519491231002X"  # the example of GB 11643


async def test_who_shows_a_key_is_signed_in_until_they_sign_out(service: Service):
    async with Browser(service.url) as browser:
        page = await browser.sign_in(service.keys["agency"])
        assert (page.status, page.url) == (200, f"{service.url}/desk")
        assert "agency:urn:agency:cn-tj-samr" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in page.headers
        out = next(form for form in page.forms if form.action == "/sign-out")
        page = await browser.send(page, out)
        assert (page.status, page.url) == (200, f"{service.url}/")
        assert browser.cookies == {}
        assert (await browser.get("/desk")).status == 401


@pytest.mark.parametrize(
    ("role", "start"), [("entity", f"/entities/{ENTITY}/cases"), ("operator", "/operator"), ("partner", "/")]
)
async def test_everybody_starts_where_their_work_is(service: Service, role, start):
    async with Browser(service.url) as browser:
        assert (await browser.sign_in(service.keys[role])).url == service.url + start


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_key_that_opens_nothing_is_refused_in_words(service: Service, language):
    told = {"en": "mistyped, expired or revoked", "zh": "输入有误、已过期或已被吊销"}[language]
    async with Browser(service.url, language) as browser:
        for key in ("x", service.keys["agency"][:-2] + "aa", "<b>&", "0" * 8_000, ""):
            page = await browser.sign_in(key)
            assert page.status == 401
            assert told in page.text
            assert "<b>&" not in page.html
            assert browser.cookies == {}


async def test_a_page_that_needs_a_key_says_so_and_leads_back(service: Service):
    async with Browser(service.url) as browser:
        page = await browser.get("/desk?kind=repair")
        assert page.status == 401
        assert "Sign in first" in page.text
        (link,) = [link for link in page.links if link.startswith("/sign-in?to=")]
        page = await browser.sign_in(service.keys["agency"], link)
        assert page.url.startswith(f"{service.url}/desk?kind=repair")


async def test_the_cookie_is_for_this_site_alone_and_ends_with_the_browser(service: Service):
    form = {"key": service.keys["agency"]}
    async with service.session.post("/sign-in", data=form, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Cache-Control"] == "no-store"
        cookie = answer.headers["Set-Cookie"]
    name, *attributes = cookie.split("; ")
    assert name.startswith("session=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Strict"}
    held = base64.urlsafe_b64decode(name.partition("=")[2])
    key_id, _, key_secret = service.keys["agency"].partition(".")
    for told in (key_id, key_secret):
        assert told.encode() not in held
        assert told not in cookie


async def test_over_https_the_cookie_has_its_prefix_and_is_secure(serve: Serve):
    service = await with_keys(await serve(trust_forwarded=True))
    for name, headers in [("__Host-session", {"X-Forwarded-Proto": "https"}), ("session", {})]:
        async with service.session.post(
            "/sign-in", data={"key": service.keys["agency"]}, headers=headers, allow_redirects=False
        ) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{name}=")
        assert ("Secure" in cookie) == (name != "session")
        assert "Domain" not in cookie
    kept = {"Cookie": cookie.partition(";")[0]}
    async with service.session.get("/desk", headers=kept | {"X-Forwarded-Proto": "https"}) as answer:
        assert answer.status == 401, "a cookie without the prefix is none over HTTPS"
    async with service.session.get("/desk", headers=kept) as answer:
        assert answer.status == 200


async def test_behind_a_proxy_a_form_comes_from_the_name_that_browsers_know(serve: Serve):
    for trusted, status in ((True, 401), (False, 403)):
        service = await serve(trust_forwarded=trusted)
        headers = {"Origin": "https://credit.example.org", "X-Forwarded-Host": "credit.example.org"}
        async with service.session.post("/sign-in", data={"key": "x"}, headers=headers) as answer:
            assert answer.status == status


async def test_settings_may_say_that_browsers_come_by_https(serve: Serve):
    service = await with_keys(await serve(site_secure=True))
    async with service.session.post(
        "/sign-in", data={"key": service.keys["agency"]}, allow_redirects=False
    ) as answer:
        assert answer.headers["Set-Cookie"].startswith("__Host-session=")


PRIVATE = [
    ("GET", f"/v1/agencies/{SOURCE}/desk"),
    ("GET", f"/v1/entities/{ENTITY}/cases"),
    ("GET", f"/v1/entities/{ENTITY}/accesses"),
    ("POST", "/v1/events"),
    ("POST", "/v1/lookups"),
]


async def test_the_interface_never_takes_the_cookie(service: Service):
    for role in ("agency", "entity", "operator"):
        async with Browser(service.url) as browser:
            await browser.sign_in(service.keys[role])
            for method, path in PRIVATE:
                assert (await browser.ask(method, path)).status == 401, (role, path)
            answer = await browser.get(f"/v1/entities/{ENTITY}")
            assert answer.headers["RateLimit-Policy"].startswith('"public"')


async def test_a_session_ends_with_its_key_within_seconds(serve: Serve):
    service = await with_keys(await serve())
    connection = await connect(service.dsn)
    expiring = await create_key(connection, "operator", client_id="soon over")
    async with Browser(service.url) as revoked, Browser(service.url) as expired:
        await revoked.sign_in(service.keys["agency"])
        await expired.sign_in(expiring)
        assert (await revoked.get("/desk")).status == (await expired.get("/desk")).status == 200
        await revoke_key(connection, service.keys["agency"].partition(".")[0])
        await connection.execute(
            "update api_key set expires_at = now() + interval '1 second' where key_id = $1",
            expiring.partition(".")[0],
        )
        async with asyncio.timeout(PATIENCE_S):
            for browser in (revoked, expired):
                while (await browser.get("/desk")).status == 200:  # noqa: ASYNC110  nobody tells
                    await asyncio.sleep(0.2)
        assert (await revoked.get("/desk")).status == (await expired.get("/desk")).status == 401
        assert (await revoked.get("/")).status == 200
    await connection.close()


def test_a_cookie_is_too_old_after_eight_hours():
    assert SEAL.key_id(SEAL.cookie("abc")) == "abc"
    fernet: Fernet = SEAL._cookies
    for age_s, found in [(sessions.LASTS_S - 5, "abc"), (sessions.LASTS_S + 5, None)]:
        cookie = fernet.encrypt_at_time(b"abc", int(time.time()) - age_s).decode()
        assert SEAL.key_id(cookie) == found
    early = fernet.encrypt_at_time(b"abc", int(time.time()) + 3600).decode()
    assert SEAL.key_id(early) is None


@pytest.mark.parametrize(
    "cookie", ["", "x", "é" * 30, "A" * 5000, SEAL.cookie("abc")[:-4] + "AAA="], ids=range(5)
)
def test_a_cookie_that_is_not_ours_is_none(cookie):
    assert SEAL.key_id(cookie) is None
    assert sessions.Seal(b"another secret of enough length!").key_id(SEAL.cookie("abc")) is None


async def test_a_forged_cookie_leaves_one_the_public(service: Service):
    for cookie in ("x", SEAL.cookie(service.keys["agency"].partition(".")[0]), '"><script>'):
        async with service.session.get("/", headers={"Cookie": f"session={cookie}"}) as answer:
            assert answer.status == 200
            assert answer.headers["RateLimit-Policy"].startswith('"public"')
            assert cookie == "x" or cookie not in await answer.text()


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "self"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_form_of_another_site_is_refused(service: Service, headers, language):
    given = {name: service.url if value == "self" else value for name, value in headers.items()} | {
        "Accept-Language": language
    }
    async with service.session.post(
        "/sign-in", data={"key": service.keys["agency"]}, headers=given, allow_redirects=False
    ) as answer:
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
        assert {"en": "did not come from here", "zh": "表单来源有误"}[language] in await answer.text()


async def test_a_form_needs_the_token_of_its_session_and_to_say_where_it_came_from(service: Service):
    async with Browser(service.url) as browser, Browser(service.url) as other:
        page = await browser.sign_in(service.keys["agency"])
        foreign = await other.sign_in(service.keys["operator"])
        out = next(form for form in page.forms if form.action == "/sign-out")
        theirs = next(form for form in foreign.forms if form.action == "/sign-out").fields["token"]
        for token in ("", "x", "é", theirs):
            assert (await browser.send(page, out, token=token)).status == 403
        assert (await browser.ask("POST", "/sign-out", out.fields)).status == 403, "no browser leaves it out"
        assert (await browser.get("/desk")).status == 200, "and is signed in still"
        assert (await browser.send(page, out)).status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 415),
        ({"key": "a" * 9_000}, 413),
        ([("key", "a"), ("key", "b")], 400),
        ([(f"f{number}", "") for number in range(300)], 400),
    ],
)
async def test_what_no_form_of_ours_is_is_refused_on_a_page(service: Service, data, status):
    async with service.session.post("/sign-in", data=data) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")


async def test_guessing_keys_costs_what_anonymous_requests_cost(serve: Serve):
    service = await with_keys(await serve(anonymous_per_minute=20))
    statuses = []
    for number in range(25):
        guess = {"key": f"{number:016x}.{'a' * 32}"}
        async with service.session.post("/sign-in", data=guess) as answer:
            statuses.append(answer.status)
    assert statuses.count(401) <= 10
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    ("to", "led"),
    [
        ("/desk?kind=repair", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example", False),
        ("javascript:alert(1)", False),
        ("desk", False),
        ("/a\r\nSet-Cookie: x=y", False),
        ("/" + "a" * 3000, False),
        ("http://[", False),
        (f"/entities/uscc:{RESIDENT}", False),
        (None, False),
    ],
)
def test_one_is_led_nowhere_else(to, led):
    assert own(to) == (to if led else None)


async def test_no_persons_number_comes_back_in_a_link(service: Service):
    async with Browser(service.url) as browser:
        for path in (f"/?q={RESIDENT}", f"/entities/uscc:{RESIDENT}/objection", f"/sign-in?to=/{RESIDENT}"):
            assert RESIDENT not in (await browser.get(path)).html


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    settings = Settings(data_dir=tmp_path / "var")
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: secret.load(settings), range(40)))
    assert len(found) == 1
    (path,) = (tmp_path / "var").iterdir()
    assert (path.name, path.stat().st_mode & 0o777, path.stat().st_size) == (secret.FILE, 0o600, 32)
    assert secret.load(settings) == path.read_bytes()


def test_a_secret_that_is_set_has_to_be_one(tmp_path):
    path: Path = tmp_path / "secret"
    settings = Settings(data_dir=tmp_path, site_secret_file=str(path))
    with pytest.raises(secret.SecretRefused, match="CREDITSVC_SITE_SECRET_FILE"):
        secret.check(settings)
    path.write_bytes(b"short")
    with pytest.raises(secret.SecretRefused, match="32"):
        secret.check(settings)
    path.write_bytes(bytes(32))
    secret.check(settings)
    assert secret.load(settings) == bytes(32)
    secret.check(Settings(data_dir=tmp_path))


async def test_hosts_that_share_a_secret_know_each_others_sessions(serve: Serve, tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 40)
    service = await with_keys(await serve(site_secret_file=str(path)))
    seal = sessions.Seal(b"x" * 40)
    cookie = seal.cookie(service.keys["agency"].partition(".")[0])
    async with service.session.get("/desk", headers={"Cookie": f"session={cookie}"}) as answer:
        assert answer.status == 200
