"""The style and the script of the pages, named by their hash so that they may be kept for ever."""

import hashlib
from importlib import resources

from aiohttp import web

from creditsvc.errors import NotFound
from creditsvc.web.routes import Parameter, Response, Route

FOREVER = "public, max-age=31536000, immutable"
_TYPES = {"site.css": "text/css", "site.js": "text/javascript", "icon.svg": "image/svg+xml"}
_CONTENTS = {name: resources.files(__package__).joinpath("static", name).read_bytes() for name in _TYPES}


def _named(name: str) -> str:
    stem, _, ending = name.partition(".")
    return f"{stem}.{hashlib.sha256(_CONTENTS[name]).hexdigest()[:16]}.{ending}"


PATHS = {name: f"/assets/{_named(name)}" for name in _TYPES}
_NAMES = {_named(name): name for name in _TYPES}


async def asset(request: web.Request) -> web.Response:
    name = _NAMES.get(request.match_info["name"])
    if name is None:
        raise NotFound("There is no such file")
    return web.Response(
        body=_CONTENTS[name],
        content_type=_TYPES[name],
        charset="utf-8",
        headers={"Cache-Control": FOREVER},
    )


ROUTES = (
    Route(
        "GET",
        "/assets/{name}",
        asset,
        name="asset",
        summary="A file of the pages",
        page=True,
        parameters=(
            Parameter(
                name="name",
                place="path",
                description="The file's name with its hash.",
                schema={"type": "string"},
                required=True,
                example=_named("site.css"),
                problems=frozenset({404}),
            ),
        ),
        responses={200: Response("The file", {"type": "string"}, media_type="text/css")},
    ),
)
