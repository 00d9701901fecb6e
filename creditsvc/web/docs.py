"""``/docs``: the OpenAPI document as a page that people read; it needs no script and no network."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp_jinja2
from aiohttp import web
from markupsafe import Markup, escape

from creditsvc.settings import Settings
from creditsvc.web.fixed import FixedDocument, OnDemand
from creditsvc.web.keys import SETTINGS
from creditsvc.web.pages import page
from creditsvc.web.parameters import CACHE_CONTROL, ETAG, IF_NONE_MATCH, NO_NUL, NOT_MODIFIED
from creditsvc.web.routes import Response, Route

DOCUMENT: web.AppKey[OnDemand] = web.AppKey("docs_document", OnDemand)


def prepare(app: web.Application, describe: Callable[[], Mapping[str, Any]]) -> None:
    aiohttp_jinja2.get_env(app).filters |= {"pretty": _pretty, "plain": _plain, "marked": _marked}

    def make() -> FixedDocument:
        api = describe()
        return page(app, "docs.html", api=api, tags=_tags(api, app[SETTINGS]), any_text=NO_NUL)

    app[DOCUMENT] = OnDemand(make)


def _tags(api: Mapping[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """Group the operations by tag, each with an example that works as it stands but for the key."""
    operations = [
        {**operation, "method": method.upper(), "path": path, "curl": curl(settings, method, path, operation)}
        for path, item in api["paths"].items()
        for method, operation in item.items()
    ]
    grouped = (
        {**tag, "operations": [one for one in operations if tag["name"] in one["tags"]]}
        for tag in api["tags"]
    )
    return [tag for tag in grouped if tag["operations"]]


def curl(settings: Settings, method: str, path: str, operation: Mapping[str, Any]) -> str:
    """Write an operation as a command line, from the examples of its parameters and of its body."""
    query = {}
    for parameter in operation.get("parameters", []):
        example = parameter.get("example")
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", quote(str(example), safe=":/"))
        elif parameter["in"] == "query" and parameter.get("required"):
            query[parameter["name"]] = str(example)
    address = f"http://{settings.host}:{settings.port}{path}"
    if query:
        address += "?" + urlencode(query)
    lines = [f"curl '{address}'" if method == "get" else f"curl -X {method.upper()} '{address}'"]
    if {} not in operation["security"] and operation["security"]:
        lines.append('-H "Authorization: Bearer $KEY"')
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in media:
            body = json.dumps(media["example"], ensure_ascii=False).replace("'", "'\\''")
            lines += [f"-H 'Content-Type: {media_type}'", f"--data '{body}'"]
            break
    return " \\\n  ".join(lines)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _plain(value: Any) -> Any:
    """Give a whole number without its fraction of nothing: 100 for 100.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _marked(text: str) -> Markup:
    """Write text as HTML, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped before


async def docs(request: web.Request) -> web.Response:
    return await request.app[DOCUMENT].answer(request)


ROUTES = (
    Route(
        "GET",
        "/docs",
        docs,
        name="docs",
        summary="This interface, to read",
        parameters=(IF_NONE_MATCH,),
        responses={
            200: Response(
                "A page", {"type": "string"}, headers=(ETAG, CACHE_CONTROL), media_type="text/html"
            ),
            304: NOT_MODIFIED,
        },
    ),
)
