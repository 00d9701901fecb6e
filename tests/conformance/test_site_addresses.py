"""What whoever asks says of where the service is (Host) is shown to them alone, and never sealed."""

import pytest

from tests.conformance.conftest import Serve, Service, with_keys
from tests.conformance.test_log import push
from tests.making import ENTITY, raw
from tests.reports import text_of

REPORT = f"/entities/{ENTITY}/report"


async def asked(service: Service, path: str, host: str) -> tuple[int, bytes]:
    async with service.session.get(path, headers={"Host": host}) as answer:
        return answer.status, await answer.read()


async def recorded(service: Service) -> Service:
    await with_keys(service)
    await push(service, raw("honour.granted", "H1", subject=ENTITY))
    return service


async def test_no_seal_vouches_for_an_address_that_was_sent(serve: Serve):
    service = await recorded(await serve())
    status, body = await asked(service, f"{REPORT}.pdf", "evil.example")
    assert status == 503
    assert b"%PDF" not in body
    assert b"evil.example" not in body
    status, body = await asked(service, REPORT, "evil.example")
    assert status == 200, "whoever sends it may read it, without a seal"
    for name in ("localhost:8080", "127.0.0.1", "[::1]:9"):
        status, body = await asked(service, f"{REPORT}.pdf", name)
        assert (status, body[:4]) == (200, b"%PDF")


async def test_the_address_that_is_set_stands_whatever_was_sent(serve: Serve):
    service = await recorded(await serve(public_url="https://credit.example.org/"))
    for path in (REPORT, f"/entities/{ENTITY}/events/1"):
        status, body = await asked(service, path, "evil.example")
        assert status == 200
        assert b"evil.example" not in body
    status, body = await asked(service, f"{REPORT}.pdf", "evil.example")
    assert (status, body[:4]) == (200, b"%PDF")
    text = text_of(body)
    assert "https://credit.example.org/reports" in text.replace("\n", "")
    assert "evil" not in text


@pytest.mark.parametrize("host", ["[", "evil.example:99999", "a b", "x" * 300, "<b>", "a@b", "[::1"])
async def test_a_host_that_is_none_is_refused(service: Service, host):
    status, body = await asked(service, "/entities/gb-coh:00000006/report.pdf", host)
    assert status in {400, 404}
    status, body = await asked(service, REPORT, host)
    assert status == 400, body
    assert b"<b>" not in body.partition(b"<main")[2]
