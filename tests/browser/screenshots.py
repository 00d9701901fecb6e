"""``make screenshots``: a picture of each page, in docs/pages, and the page that shows them.

It starts the service with sample data and a browser, and ends both. Every page is taken in Chinese and
English, at a desk and on a telephone; some in the dark too. To add a page add a line to ``PAGES``.
"""

import argparse
import asyncio
import base64
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.sample import AGENCY, OBJECTION, OLDER, PENALTY, Sample, fill
from tests.making import ENTITY
from tests.processes import service
from tests.sheets import dirty

DOCS = Path(__file__).parents[2] / "docs" / "pages"
SIZES = {
    "desk": (1100, 1150),
    "phone": (360, 900),
}  # width, and as much of the height as is shown, in pixels
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
QUALITY = 27  # of WebP, of 100
LIMIT_S = 300
LOOKED = 800  # high at first
HEAD = """What people see, with sample data of an organisation that does not exist. `make screenshots` takes
the pictures anew; the list of them is `PAGES` in `tests/browser/screenshots.py`."""
WHOLE = f"/entities/{ENTITY}"


def about(record: str, **more: str) -> str:
    return urlencode({"record": record, "source": AGENCY} | more)


OBJECTING, REPAIRING = f"{WHOLE}/objection?{about(PENALTY)}", f"{WHOLE}/repair?{about(OLDER)}"
OBJECTED = f"{WHOLE}/case?{about(PENALTY, kind='objection', number=OBJECTION)}"


@dataclass(frozen=True, slots=True)
class Shot:
    """A page: what its picture is called, what it is, where, and as whom it is looked at."""

    name: str
    what: str
    path: str
    who: str | None = None
    dark: bool = False  # taken in the dark too
    checked: bool = False  # once a sheet has been handed in there to be checked


PAGES = (
    Shot("home", "Look an organisation up by name or code", "/", dark=True),
    Shot("search", "What a part of a name finds", f"/?q={quote('示例')}"),
    Shot("mistyped", "A mistyped code: where it is wrong, what was meant", "/?q=91350100MOO01OOY43"),
    Shot("organisation", "An organisation: its grade and why, records, timeline", WHOLE, dark=True),
    Shot("records", "Its records: agency, basis, until when, and what may be done", f"{WHOLE}#records"),
    Shot("nothing", "Nothing on record, which is no proof of compliance", "/entities/siren:552081317"),
    Shot("objection", "Something is wrong here: how to object", OBJECTING),
    Shot("objection-form", "The same, signed in as the organisation", OBJECTING, "entity"),
    Shot("repair", "How a record is repaired", REPAIRING),
    Shot("proof", "Can this be proved? An event's place in the log", f"{WHOLE}/events/4"),
    Shot("report", "The report, which can be had as a sealed PDF", f"{WHOLE}/report"),
    Shot("reports", "Check a report by its number", "/reports"),
    Shot("report-checked", "A number that was made up", "/reports/CR-0000"),
    Shot("statistics", "Statistics by type and month", "/statistics", dark=True),
    Shot("methods", "How scores are made", "/methods"),
    Shot("about", "What the service is, and what is never on record", "/about"),
    Shot("sign-in", "Signing in with a key", "/sign-in"),
    Shot("refused", "A page that is for others", "/operator"),
    Shot("desk", "An agency's desk: what waits for it, with its clocks", "/desk", "agency", dark=True),
    Shot("case", "A case, to be decided there", OBJECTED, "agency"),
    Shot("cases", "An organisation's own open cases", f"{WHOLE}/cases", "entity"),
    Shot("hand-in", "Handing in a sheet of penalties or licences", "/hand-in", "agency"),
    Shot("checked", "A sheet checked row by row, before it is sent", "/hand-in", "agency", checked=True),
    Shot("operator", "The state of the service, for whoever runs it", "/operator", "operator", dark=True),
)  # fmt: skip


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("pictures need Chromium: apt-get install chromium fonts-noto-cjk, or set CHROMIUM")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield opened
        finally:
            await opened.close()


async def signed_in(opened: Browser, sample: Sample, who: str | None, **given: object) -> BrowserContext:
    """Open a profile, and sign in with a key as a person does."""
    context = await opened.new_context(base_url=sample.service.url, reduced_motion="reduce", **given)  # type: ignore[arg-type]
    if who is not None:
        page = await context.new_page()
        await page.goto("/sign-in")
        await page.locator("#key").fill(sample.keys[who])
        await page.locator("main form button").click()
        await page.wait_for_load_state()  # a page that is closed while it loads may never say that it is
        await page.close()
    return context


async def take(page: Page, file: Path, size: tuple[int, int]) -> None:
    """Take as much of a page as is shown, as small as is still good to read."""
    width, most = size
    height = min(most, int(await page.evaluate("document.documentElement.scrollHeight")))
    await page.set_viewport_size({"width": width, "height": height})
    if file.suffix == ".png":
        await page.screenshot(path=file)
        return
    session = await page.context.new_cdp_session(page)
    taken = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    await asyncio.to_thread(file.write_bytes, base64.b64decode(taken["data"]))


async def check(page: Page) -> None:
    """Hand in a sheet with every kind of dirt."""
    await page.locator("input[value=penalty]").check()
    sheet = {"name": "sheet.csv", "mimeType": "text/csv", "buffer": dirty("csv")}
    await page.locator("#file").set_input_files(sheet)  # type: ignore[arg-type]
    await page.locator("form.entry button").click()
    await page.locator("form.send").wait_for()


@dataclass(frozen=True, slots=True)
class Way:
    """In which way pages are taken: the profile of a browser."""

    language: str
    size: str
    scheme: str
    who: str | None

    def takes(self, shot: Shot) -> bool:
        plain = self.scheme == "light" or (shot.dark and (self.language, self.size) == ("zh", "desk"))
        return shot.who == self.who and plain

    def name(self, shot: Shot, kind: str) -> str:
        return f"{shot.name}-{self.language}-{self.size}{'-dark' if self.scheme == 'dark' else ''}.{kind}"


def ways() -> list[Way]:
    everybody = dict.fromkeys(shot.who for shot in PAGES)
    return [Way(*one) for one in itertools.product(LOCALES, SIZES, ("light", "dark"), everybody)]


async def pictures(sample: Sample, opened: Browser, shots: list[Shot], directory: Path, kind: str) -> None:
    for way in ways():
        wanted = [shot for shot in shots if way.takes(shot)]
        if not wanted:
            continue
        width, _ = SIZES[way.size]
        view = {"width": width, "height": LOOKED}
        given = {"locale": LOCALES[way.language], "color_scheme": way.scheme, "viewport": view}
        context = await signed_in(opened, sample, way.who, **given)
        page = await context.new_page()
        for shot in wanted:
            await page.set_viewport_size(view)
            await page.goto(shot.path)
            if shot.checked:
                await check(page)
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                raise RuntimeError(f"{way.name(shot, kind)} is {wide} wide, of {width}")
            await take(page, directory / way.name(shot, kind), SIZES[way.size])
        await context.close()


def readme() -> str:
    """Write the page that shows them."""
    parts = [
        "# Pages",
        HEAD,
    ]
    for shot in PAGES:
        parts.append(f"## {shot.name}\n\n{shot.what}.")
        parts.append(
            f'<img src="{shot.name}-zh-desk.webp" width="640" alt="{shot.what}, in Chinese at a desk"> '
            f'<img src="{shot.name}-en-phone.webp" width="210" alt="The same in English on a telephone">'
        )
        others = [("in English at a desk", "en-desk"), ("in Chinese on a telephone", "zh-phone")]
        others += [("in the dark", "zh-desk-dark")] if shot.dark else []
        parts.append(" · ".join(f"[{what}]({shot.name}-{which}.webp)" for what, which in others))
    return "\n\n".join(parts) + "\n"


async def run(directory: Path, names: set[str], kind: str) -> None:
    shots = [shot for shot in PAGES if not names or shot.name in names]
    with tempfile.TemporaryDirectory(prefix="pages-") as scratch:
        async with service(Path(scratch) / "var") as running, browser() as opened:
            sample = Sample(running)
            await fill(sample)
            await pictures(sample, opened, shots, directory, kind)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser.screenshots", description="Pictures of pages"
    )
    parser.add_argument("names", nargs="*", help="some pages alone")
    parser.add_argument("--png", type=Path, help="take them as PNG, and put them here instead")
    given = parser.parse_args()
    directory = given.png or DOCS
    directory.mkdir(parents=True, exist_ok=True)
    names, kind = set(given.names), "png" if given.png else "webp"
    if kind == "webp":
        for old in directory.glob("*.webp") if not names else ():
            old.unlink()
        (directory / "README.md").write_text(readme(), encoding="utf-8")
    asyncio.run(asyncio.wait_for(run(directory, names, kind), LIMIT_S))
    taken = [file.stat().st_size for file in directory.glob(f"*.{kind}")]
    print(f"{len(taken)} pictures, {sum(taken):,} bytes, in {directory}")  # noqa: T201  a command


if __name__ == "__main__":
    main()
