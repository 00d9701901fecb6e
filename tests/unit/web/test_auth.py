"""Keys: found, remembered for seconds only, refused in one voice."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from creditsvc.errors import Forbidden, Unauthenticated
from creditsvc.store.clients import Key
from creditsvc.web import auth
from creditsvc.web.auth import PUBLIC, Caller, Keyring, require

SECRET = "s" * 32
KEY = Key(
    key_id="0011223344556677",
    secret_sha256=hashlib.sha256(SECRET.encode()).digest(),
    client_id="agency:urn:agency:test",
    role="agency",
    sources=frozenset({"urn:agency:test"}),
    entity=None,
    expires_at=None,
    revoked_at=None,
)
BEARER = f"Bearer {KEY.key_id}.{SECRET}"


class Store:
    """The keys there are, and how often they were asked for."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.key_id: key for key in keys}
        self.asked: list[str] = []

    async def fetch(self, key_id: str) -> Key | None:
        self.asked.append(key_id)
        await asyncio.sleep(0)
        return self.keys.get(key_id)


def variant(**changes: object) -> Key:
    fields = {name: getattr(KEY, name) for name in KEY.__slots__}
    return Key(**(fields | changes))


async def test_a_key_says_who_is_asking():
    caller = await Keyring(Store(KEY).fetch).identify(BEARER)
    assert caller == Caller("agency", KEY.key_id, KEY.client_id, KEY.sources, None)


async def test_every_key_that_does_not_hold_is_refused_in_the_same_words():
    past = datetime.now(UTC) - timedelta(seconds=1)
    texts = set()
    for store, authorization in [
        (Store(), BEARER),
        (Store(KEY), f"Bearer {KEY.key_id}.{'x' * 32}"),
        (Store(variant(revoked_at=past)), BEARER),
        (Store(variant(expires_at=past)), BEARER),
        (Store(KEY), f"Basic {KEY.key_id}.{SECRET}"),
        (Store(KEY), KEY.key_id),
        (Store(KEY), ""),
        (Store(KEY), f"Bearer {KEY.key_id}.{SECRET}\udcff"),
        (Store(KEY), f"Bearer {'k' * 65}.{SECRET}"),
    ]:
        with pytest.raises(Unauthenticated) as refused:
            await Keyring(store.fetch).identify(authorization)
        texts.add((refused.value.detail, refused.value.violations))
    assert len(texts) == 1


async def test_a_key_is_fetched_once_for_requests_at_the_same_time_and_remembered():
    store = Store(KEY)
    keyring = Keyring(store.fetch)
    await asyncio.gather(*(keyring.identify(BEARER) for _ in range(20)))
    await keyring.identify(BEARER)
    assert store.asked == [KEY.key_id]


async def test_revocation_takes_effect_within_seconds(monkeypatch):
    store = Store(KEY)
    keyring = Keyring(store.fetch)
    await keyring.identify(BEARER)
    store.keys[KEY.key_id] = variant(revoked_at=datetime.now(UTC))
    await keyring.identify(BEARER)
    later_s = auth.time.monotonic() + auth.REMEMBER_S
    monkeypatch.setattr(auth.time, "monotonic", lambda: later_s)
    with pytest.raises(Unauthenticated):
        await keyring.identify(BEARER)


async def test_guesses_are_remembered_apart_and_bounded(monkeypatch):
    monkeypatch.setattr(auth, "UNKNOWN_MAX", 10)
    store = Store(KEY)
    keyring = Keyring(store.fetch)
    await keyring.identify(BEARER)
    for guess in range(50):
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                await keyring.identify(f"Bearer guess{guess}.{SECRET}")
    assert len(store.asked) == 51, "each guess is fetched once"
    assert len(keyring._unknown) == 10
    assert keyring.is_remembered(BEARER)
    assert not keyring.is_remembered(f"Bearer guess1.{SECRET}")


async def test_the_keys_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(auth, "KNOWN_MAX", 5)
    store = Store(*(variant(key_id=f"key{n}") for n in range(20)))
    keyring = Keyring(store.fetch)
    for n in range(20):
        await keyring.identify(f"Bearer key{n}.{SECRET}")
    assert len(keyring._known) == 5


async def test_a_fetch_that_fails_is_not_remembered():
    class Failing(Store):
        async def fetch(self, key_id: str) -> Key | None:
            if not self.asked:
                self.asked.append(key_id)
                raise ConnectionError
            return await super().fetch(key_id)

    keyring = Keyring(Failing(KEY).fetch)
    with pytest.raises(ConnectionError):
        await keyring.identify(BEARER)
    assert (await keyring.identify(BEARER)).key_id == KEY.key_id


def test_roles_are_required():
    agencies = frozenset({"agency"})
    require(PUBLIC, None)
    require(Caller("agency", "k"), agencies)
    with pytest.raises(Unauthenticated):
        require(PUBLIC, agencies)
    with pytest.raises(Forbidden):
        require(Caller("partner", "k"), agencies)
