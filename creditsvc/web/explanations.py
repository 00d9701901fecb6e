"""What each problem type means and what to do about it, at the address that problems name as their type."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from creditsvc import errors
from creditsvc.errors import NotFound, Refusal
from creditsvc.web import problems
from creditsvc.web.fixed import OnDemand
from creditsvc.web.pages import page
from creditsvc.web.parameters import CACHE_CONTROL, ETAG, IF_NONE_MATCH, NOT_MODIFIED
from creditsvc.web.routes import Parameter, Response, Route

TEXTS: Mapping[type[Refusal], str] = {
    errors.Malformed: (
        "The request line, a header, the query or the body cannot be read as what it should be. The detail "
        "and the list of errors say what and where. Sending it again unchanged will not help."
    ),
    errors.Unauthenticated: (
        "The resource is not for everyone, or a key was sent that does not hold: malformed, unknown, "
        "expired or revoked. Send a valid one in the header Authorization: Bearer <key id>.<secret>."
    ),
    errors.Forbidden: (
        "The key holds, but not for this: its role, its source or its organisation is another. Use the key "
        "that belongs to the resource."
    ),
    errors.ForeignForm: (
        "Forms of the pages are taken from the pages themselves only, in the session that they were opened "
        "in. Open the page again and send its form from there. Programs use the interface at /docs."
    ),
    errors.PurposeMissing: (
        "Queries by partners are written down with what they are for, and this one does not say. Send a word "
        "in the header Purpose, such as Purpose: loan-review, or ask whoever makes the keys for one with a "
        "purpose of its own. The organisation is shown it."
    ),
    errors.NotFound: (
        "Nothing answers at this address. The interface is described at /docs and /openapi.json."
    ),
    errors.EntityUnknown: (
        "The identifier is well formed, but nothing is on record for it that you may see. That is no "
        "statement about the organisation, good or bad."
    ),
    errors.ProofPending: (
        "The event is recorded, and no checkpoint of the log is beyond it yet. Ask again after the time in "
        "Retry-After; the receipt says by when the log will have it at the latest."
    ),
    errors.IdentifierInvalid: (
        "No organisation can have this identifier: its scheme is unknown, or its length, its characters or "
        "its check characters are wrong. The detail says which."
    ),
    errors.NaturalPerson: (
        "The service keeps records of organisations only. What was sent identifies, or may identify, a "
        "natural person, by the rule and in the field named, and was neither kept nor repeated."
    ),
    errors.MethodNotAllowed: (
        "The resource exists but does not take this method. The header Allow names those that it takes."
    ),
    errors.EventConflict: (
        "An event is known by its source and its id, for ever. This identity was used before with other "
        "content or another subject. Give a new statement a new id."
    ),
    errors.CaseConflict: (
        "The objection or the application for repair is in a state that this cannot follow, somebody else "
        "was first, or its time is over. Read the record with its cases, and send what its state allows."
    ),
    errors.RecordExists: (
        "A record is known by its agency and its number. One with this number stands already; correct it or "
        "revoke it, or give the new one a number of its own."
    ),
    errors.TooLarge: (
        "The request, or one event in it, is larger than is taken. The detail gives the limit. Send less at "
        "a time."
    ),
    errors.UnsupportedMediaType: (
        "The body comes in a media type or an encoding that the resource does not take. /docs names those "
        "that it takes."
    ),
    errors.EventInvalid: (
        "The body reads well but breaks rules of the interface or of the catalogue. The list of errors "
        "points at each place. The catalogue is at /v1/catalogue."
    ),
    errors.SheetUnreadable: (
        "No row of the sheet that was handed in can be read: it is neither .xlsx nor .csv, is broken, is "
        "larger than is taken, or has no row of headers that are known. The detail says which, and what to "
        "do. Nothing was recorded."
    ),
    errors.SheetStale: (
        "Between the check of a sheet and its sending, the page carries what was checked, sealed. This seal "
        "is older than a session lasts, or was not made here. Hand in the file again; rows that were taken "
        "already are found to be there."
    ),
    errors.RateLimited: (
        "The limit of the key, or without a key of the address, is spent. Wait as long as the header Retry- "
        "After says. RateLimit and RateLimit-Policy tell what is left before that happens."
    ),
    errors.Internal: (
        "The service failed at something that is no fault of yours. The request id finds what happened in "
        "its logs. An event that was being handed in may be sent again unchanged."
    ),
    errors.Unavailable: (
        "The service cannot take the request now: it is full, stopping, or cut off from its database. Send "
        "it again, unchanged, after the time in Retry-After; events are never recorded twice."
    ),
    errors.NotInstalled: (
        "What was asked for needs a part that this installation was made without, such as what sets reports "
        "as PDF, or its fonts. The detail says what whoever runs the service has to install."
    ),
    problems.RequestTimeout: (
        "The request did not arrive whole within the time that it is waited for. Send it faster, or less at "
        "a time."
    ),
    problems.ExpectationFailed: (
        "The header Expect asks for something other than 100-continue, which is all that this service knows."
    ),
}


@dataclass(frozen=True, slots=True)
class _Explanation:
    title: str
    status: int
    text: str


EXPLANATIONS: web.AppKey[Mapping[str, OnDemand]] = web.AppKey("explanations", Mapping)


def prepare(app: web.Application) -> None:
    app[EXPLANATIONS] = {
        kind.slug: OnDemand(
            partial(page, app, "problem.html", problem=_Explanation(kind.title, kind.status, text))
        )
        for kind, text in TEXTS.items()
    }


async def explanation(request: web.Request) -> web.Response:
    found = request.app[EXPLANATIONS].get(request.match_info["slug"])
    if found is None:
        raise NotFound("There is no such type of problem.")
    return await found.answer(request)


ROUTES = (
    Route(
        "GET",
        "/problems/{slug}",
        explanation,
        name="problem",
        summary="What a type of problem means, and what to do about it",
        parameters=(
            Parameter(
                name="slug",
                place="path",
                description="The last part of a problem's `type`.",
                schema={"type": "string", "enum": sorted(kind.slug for kind in TEXTS)},
                required=True,
                example="event-conflict",
                problems=frozenset({404}),
            ),
            IF_NONE_MATCH,
        ),
        responses={
            200: Response(
                "The explanation", {"type": "string"}, headers=(ETAG, CACHE_CONTROL), media_type="text/html"
            ),
            304: NOT_MODIFIED,
        },
    ),
)
