"""Parameters, headers and answers that several routes share."""

from creditsvc.domain import identifiers
from creditsvc.web.routes import Header, Parameter, Response


def entity_pattern() -> str:
    """Any identifier of any scheme in canonical form: the schemes' own anchored patterns, joined."""
    values = (
        f"{name}:{scheme.pattern.removeprefix('^').removesuffix('$')}"
        for name, scheme in sorted(identifiers.SCHEMES.items())
    )
    return f"^(?:{'|'.join(values)})$"


ENTITY = Parameter(
    name="entity",
    place="path",
    description="The organisation's identifier. One that no organisation can have: 404; a person's: 422.",
    schema={"type": "string", "pattern": entity_pattern()},
    required=True,
    example="uscc:91350100M000100Y43",
    problems=frozenset({404, 422}),
)
AS_OF = Parameter(
    name="as_of",
    description="Answer as of this instant; the `valid_from` of an answer brings its bytes back.",
    schema={"type": "string", "format": "date-time"},
    example="2026-03-05T00:00:00.000000Z",
    problems=frozenset({404}),  # the future
)
CURSOR = Parameter(
    name="cursor",
    description="Where the page begins: `next` of the page before.",
    schema={"type": "string", "pattern": "^[0-9]{1,16}-[0-9]{1,15}$"},
    problems=frozenset({404}),  # of the future,
)
IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    place="header",
    description="The ETag of an answer that is kept: 304 while it still holds.",
    schema={"type": "string"},
)
ETAG = Header("ETag", "Changes whenever the bytes of the answer do")
NO_NUL = r"^[^\u0000]*$"  # what the edge sees to in every text of a query
CACHE_CONTROL = Header("Cache-Control", "How long the answer may be kept")
NOT_MODIFIED = Response("What is kept under the If-None-Match sent still holds", headers=(ETAG,))


def limit(default: int, most: int) -> Parameter:
    """Make the parameter for the length of a page."""
    return Parameter(
        name="limit",
        description=f"At most this many items; {default} unless given.",
        schema={"type": "integer", "minimum": 1, "maximum": most, "default": default},
        example=default,
    )
