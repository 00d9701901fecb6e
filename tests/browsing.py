"""A browser without a screen: it keeps cookies, follows links, and fills in the forms that pages have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp

_BLANK = frozenset({"input", "meta", "link", "img", "br", "hr", "line", "path", "circle"})


@dataclass
class Form:
    """A form of a page: where it goes, and what stands in its fields."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.pre: list[str] = []
        self.tags: list[str] = []
        self._within: list[str] = []
        self._form: Form | None = None
        self._named: str | None = None

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag not in _BLANK:
            self._within.append(tag)
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self._form)
        if tag == "a":
            self.links.append(given.get("href", ""))
        if tag == "pre":
            self.pre.append("")
        if self._form is not None:
            self._field(tag, given)

    def _field(self, tag, given):
        name = given.get("name")
        if tag in {"input", "textarea", "select"} and name:
            self._form.fields[name] = given.get("value", "")
            self._named = name
            if "required" in given:
                self._form.required.add(name)
        if tag == "option" and self._named:
            found = self._form.options.setdefault(self._named, [])
            found.append(given.get("value", ""))
            if "selected" in given or (len(found) == 1 and not self._form.fields[self._named]):
                self._form.fields[self._named] = found[-1] if "selected" in given else found[0]

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        if self._within and tag in self._within:
            while self._within.pop() != tag:
                pass

    def handle_data(self, data):
        if "pre" in self._within:
            self.pre[-1] += data
        if "textarea" in self._within and self._form is not None and self._named:
            self._form.fields[self._named] += data.removeprefix("\n")
        if "script" not in self._within:
            self.texts.append(data)


@dataclass
class Page:
    """What came back."""

    status: int
    url: str
    headers: Mapping[str, str]
    html: str
    forms: list[Form]
    links: list[str]
    pre: list[str]
    tags: list[str]
    text: str  # as it is read, each run of blanks one

    def form(self, **wanted: str) -> Form:
        """The one form that has these values, or that holds what they name."""
        found = [
            form
            for form in self.forms
            if form.method == "post"
            and all(form.fields.get(name) == value for name, value in wanted.items())
            and form.action != "/sign-out"
        ]
        assert len(found) == 1, [form.fields for form in self.forms]
        return found[0]

    def acts(self) -> set[str]:
        return {form.fields["act"] for form in self.forms if "act" in form.fields}


class Browser:
    """One person's: with cookies of its own, in one language."""

    def __init__(self, url: str, language: str = "en") -> None:
        self.url, self.language = url, language
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}

    async def get(self, path: str, **headers: str) -> Page:
        return await self.ask("GET", path, **headers)

    async def ask(self, method: str, path: str, data: object = None, **headers: str) -> Page:
        given = {"Accept-Language": self.language} | {k.replace("_", "-"): v for k, v in headers.items()}
        address = urljoin(self.url, path)
        async with self.session.request(method, address, data=data, headers=given) as answer:
            return read(answer.status, str(answer.url), answer.headers, await answer.text())

    async def send(self, page: Page, form: Form, origin: str | None = None, **typed: str) -> Page:
        """Fill in a form and send it, as a browser does from its page."""
        where = urljoin(page.url, form.action) if form.action else page.url
        parts = urlsplit(self.url)
        own = f"{parts.scheme}://{parts.netloc}"
        fields = form.fields | {name.replace("__", "."): value for name, value in typed.items()}
        return await self.ask("POST", where, fields, Origin=origin or own)

    async def sign_in(self, key: str, to: str | None = None) -> Page:
        page = await self.get("/sign-in" if to is None else to)
        return await self.send(page, page.form(), key=key)


def read(status: int, url: str, headers: Mapping[str, str], html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    text = " ".join("".join(reader.texts).split())
    return Page(status, url, headers, html, reader.forms, reader.links, reader.pre, reader.tags, text)
