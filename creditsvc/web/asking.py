"""Every non-public query is written down before it is answered: who asks, what, what for, and about whom.

Whoever takes a view that shows more than the public's has begun such a query (``reading.viewer``). Handlers
that answer about several organisations name them when they know them; the edge sees to the rest.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiohttp import web

from creditsvc.domain import purposes
from creditsvc.errors import PurposeMissing, Refusal
from creditsvc.ledger.accesses import Access
from creditsvc.web import auth
from creditsvc.web.keys import ACCESSES, SETTINGS
from creditsvc.web.routes import ROUTE, Parameter

HEADER = "Purpose"
PURPOSE = Parameter(
    name=HEADER,
    place="header",
    description=(
        "What the query is for, in a word of yours such as `loan-review`; else what was given for the client "
        "when its key was made. The organisation is shown it. A service may require it of partners: 403."
    ),
    schema={"type": "string", "pattern": purposes.PATTERN},
    example="loan-review",
    problems=frozenset({403, 422}),
)


@dataclass(slots=True)
class Asked:
    """A non-public query that is being answered."""

    purpose: str | None
    entities: dict[str, None] = field(default_factory=dict)  # each once, in order


ASKED: web.RequestKey[Asked] = web.RequestKey("asked", Asked)


def purpose_of(request: web.Request) -> str | None:
    """Read what a request declares to be for, or what its client did once and for all."""
    given = request.headers.getall(HEADER, None)
    if given is None:
        return auth.caller(request).purpose
    return purposes.parse(",".join(given), f"/headers/{HEADER}")


def begin(request: web.Request, purpose: str | None) -> None:
    """Begin a non-public query; ``PurposeMissing`` for a partner who must say what for and does not."""
    caller = auth.caller(request)
    if purpose is None and caller.role == "partner" and request.app[SETTINGS].purpose_required:
        raise PurposeMissing(
            "Say what the query is for: send the header Purpose with a word such as loan-review, or have a "
            "key made with `creditsvc keys create --purpose`."
        )
    request[ASKED] = Asked(purpose)


def about(request: web.Request, entities: Iterable[str]) -> None:
    """Note whom the answer is about, where the query is a non-public one."""
    asked = request.get(ASKED)
    if asked is not None:
        asked.entities.update(dict.fromkeys(entities))


def tells(refusal: Refusal) -> bool:
    """Whether a refusal may tell something of an organisation: that nothing is on record does."""
    return refusal.status != 429 and refusal.status < 500


async def written(request: web.Request) -> None:
    """Return once the query is written down, if it has to be; raises ``Unavailable`` when it cannot be.

    The edge calls it before an answer leaves; a handler whose answer leaves in parts does so itself.
    """
    asked = request.get(ASKED)
    if asked is None or not asked.entities:
        return
    caller = auth.caller(request)
    assert caller.client_id is not None, "the public is not asked who it is"  # noqa: S101  an invariant
    access = Access(caller.client_id, caller.role, asked.purpose, request[ROUTE].name, tuple(asked.entities))
    await request.app[ACCESSES].write(access)
    asked.entities.clear()
