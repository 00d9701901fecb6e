"""An agency at its browser with a sheet: what it hands in, is shown, sends and is given back."""

import io
import re

import aiohttp
import orjson
from cryptography.fernet import Fernet

from creditsvc.store.clients import create_key
from creditsvc.store.database import connect
from tests.browsing import Browser, Page
from tests.conformance.conftest import Service, with_keys
from tests.making import OTHER_SOURCE, SOURCE

SHEET = "application/octet-stream"


def filled(source: str, content: bytes, kind: str = "penalty", name: str = "sheet.xlsx") -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("source", source)
    form.add_field("kind", kind)
    form.add_field("file", io.BytesIO(content), filename=name, content_type=SHEET)
    return form


async def handed_in(
    browser: Browser,
    source: str,
    content: bytes,
    *,
    kind: str = "penalty",
    name: str = "sheet.xlsx",
    token: str | None = None,
) -> Page:
    """Choose a file on the page and have it checked."""
    if token is None:
        page = await browser.get("/hand-in")
        token = page.forms[-1].fields["token"]
    form = filled(source, content, kind, name)
    form.add_field("token", token)
    return await browser.ask("POST", "/hand-in/check", form, Origin=browser.url)


async def sent(browser: Browser, page: Page) -> Page:
    (form,) = (form for form in page.forms if form.action == "/hand-in/send")
    return await browser.send(page, form)


async def rejected(browser: Browser, page: Page, form: str) -> tuple[int, dict[str, str], bytes]:
    """Download the rejected rows."""
    data = {"token": token_of(page), "sheet": parcel_of(page), "form": form}
    address = f"{browser.url}/hand-in/rejected"
    headers = {"Origin": browser.url, "Accept-Language": browser.language}
    async with browser.session.post(address, data=data, headers=headers) as answer:
        return answer.status, dict(answer.headers), await answer.read()


def parcel_of(page: Page) -> str:
    return [form.fields["sheet"] for form in page.forms if "sheet" in form.fields][-1]


def token_of(page: Page) -> str:
    return next(form.fields["token"] for form in page.forms if "sheet" in form.fields)


def numbers(page: Page) -> list[int]:
    """What stands large on the page, in its order."""
    tiles = re.findall(r"<strong[^>]*>([\d,]+)</strong>", page.html)
    return [int(text.replace(",", "")) for text in tiles]


def sealed(key: Fernet, client: str, source: str, packed: bytes, at_s: int) -> str:
    """A parcel as the service seals it, of any time."""
    head = orjson.dumps({"client": client, "source": source})
    return key.encrypt_at_time(head + b"\n" + packed, at_s).decode()


async def signed(service: Service, role: str, language: str = "en") -> Browser:
    browser = Browser(service.url, language)
    await browser.sign_in(service.keys[role])
    return browser


async def agencies(service: Service) -> Service:
    """With keys of every role, of another agency, and of another client of the same one."""
    await with_keys(service)
    connection = await connect(service.dsn)
    for role, source in (("another agency", OTHER_SOURCE), ("a colleague", SOURCE)):
        service.keys[role] = await create_key(connection, "agency", client_id=role, sources=[source])
    await connection.close()
    return service
