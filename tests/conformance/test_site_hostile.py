"""What is sent to the pages to do harm: forms that cost, and persons' numbers that are to come back."""

import asyncio
import gzip
import io
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from creditsvc.domain import persons
from creditsvc.errors import Unavailable
from creditsvc.web.site import setting
from creditsvc.web.site.setting import Setting
from tests.browsing import Browser
from tests.conformance.conftest import Service
from tests.handing import signed
from tests.processes import PATIENCE_S

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RESIDENT = "11010519491231002X"  # the example of GB 11643
MISTYPED = "110105194912310021"


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_anybody_may_send_little(service: Service, path):
    for body, status in ((b"key=" + b"%41" * 3_000, 413), (b"key=" + b"%41" * 2_000, (401, 303))):
        async with service.session.post(path, data=body, headers=FORM, allow_redirects=False) as answer:
            assert answer.status == status or answer.status in status


@pytest.mark.parametrize("path", ["/hand-in/send", "/hand-in/rejected"])
async def test_a_long_form_in_escapes_is_refused(service: Service, path):
    async with await signed(service, "agency") as browser:
        token = (await browser.get("/hand-in")).forms[-1].fields["token"]
        body = io.BytesIO(f"token={token}&sheet=".encode() + b"%41" * 2_700_000)
        assert (await browser.ask("POST", path, body, Origin=browser.url, **FORM)).status == 400


async def test_forms_are_not_compressed(service: Service):
    for body in (b"key=x", b"key=" + b"%41" * 80_000):
        headers = FORM | {"Content-Encoding": "gzip"}
        async with service.session.post("/sign-in", data=gzip.compress(body), headers=headers) as answer:
            assert answer.status == 415


@pytest.mark.parametrize("number", [RESIDENT, MISTYPED, "1101 0519 4912 3100 21", "13812345678"])
async def test_no_persons_number_is_led_on_with(service: Service, number):
    async with await signed(service, "agency") as browser:
        for path in (f"/reports?number={number}", f"/hand-in/check?language={number}"):
            async with browser.session.get(f"{browser.url}{path}", allow_redirects=False) as answer:
                assert number not in answer.headers.get("Location", "")
                assert number.replace(" ", "") not in answer.headers.get("Location", "")
                assert answer.status == (422 if path.startswith("/reports") else 303)
                assert number not in await answer.text()
        async with browser.session.get(
            f"{browser.url}/hand-in/send?language=zh", allow_redirects=False
        ) as answer:
            assert answer.headers["Location"] == "/hand-in?language=zh"


@pytest.mark.parametrize("number", [RESIDENT, MISTYPED, "110105-19491231-0021", "%2531%2531" + MISTYPED[2:]])
async def test_a_mistyped_number_of_a_person_is_not_repeated(service: Service, number):
    async with Browser(service.url) as browser:
        for path in (f"/?q={number}", f"/about?a={number}", f"/sign-in?a={number}", f"/reports/{number}"):
            page = await browser.get(path)
            assert not [link for link in page.links if number[-8:] in link], path
        assert (await browser.get(f"/?q={number}")).status == 422


async def test_an_organisation_whose_code_looks_like_a_persons_is_shown(service: Service):
    """Of a ministry or a court; its own check characters say that it is no mistyped number of a person."""
    code = "113500198501010005"
    assert persons.may_hold_person(code)
    async with Browser(service.url) as browser:
        page = await browser.get(f"/entities/uscc:{code}")
        assert f"/entities/uscc:{code}?language=zh" in page.links
        assert (await browser.get(f"/?q={code}")).status == 200


async def test_a_process_that_dies_is_made_anew():
    beside = Setting()
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = await beside.perform(os.getpid)
            os.kill(first, signal.SIGKILL)
            assert await beside.perform(os.getpid) not in {first, os.getpid()}
            with pytest.raises(Unavailable) as refused:
                await beside.perform(os._exit, 1)
            assert refused.value.retry_after_s
            assert await beside.perform(os.getpid) != first
    except BrokenProcessPool:
        pytest.fail("it stays broken")
    finally:
        beside.close()


async def test_a_process_that_hangs_is_ended_and_made_anew():
    beside = Setting(most_s=1)
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = await beside.perform(os.getpid)
            with pytest.raises(Unavailable):
                await beside.perform(time.sleep, 3_600)
            assert await beside.perform(os.getpid) != first
            await beside.perform(time.sleep, 0.6)
            await beside.perform(time.sleep, 0.6)  # each has its own time
    finally:
        beside.close()


async def test_few_wait_for_the_process():
    beside = Setting()
    try:
        async with asyncio.timeout(PATIENCE_S):
            calls = [beside.perform(time.sleep, 0.01) for _ in range(setting.INSIDE_MAX + 2)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(one) for one in found] == [type(None)] * setting.INSIDE_MAX + [Unavailable] * 2
            assert await beside.perform(os.getpid) != os.getpid()
    finally:
        beside.close()
