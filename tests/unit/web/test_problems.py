"""Errors of every kind become refusals, and nothing of what they say gets out."""

import asyncpg
import orjson
import pytest
from aiohttp import web

from creditsvc import errors
from creditsvc.errors import Internal, Malformed, RateLimited, Refusal, Unavailable, Violation
from creditsvc.handin.bounds import unreadable
from creditsvc.web import explanations, problems

PERSON = "11010519491231002X"


def kinds_of_refusal() -> set[type[Refusal]]:
    modules = (errors, problems)
    found = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    return {one for one in found if issubclass(one, Refusal) and one is not Refusal}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectionRefusedError(PERSON), 503),
        (TimeoutError(PERSON), 503),
        (asyncpg.InterfaceError(PERSON), 503),
        (asyncpg.InternalClientError(PERSON), 503),
        (asyncpg.ConnectionDoesNotExistError(PERSON), 503),
        (asyncpg.CannotConnectNowError(PERSON), 503),
        (asyncpg.QueryCanceledError(PERSON), 503),
        (asyncpg.DiskFullError(PERSON), 503),
        (asyncpg.DeadlockDetectedError(PERSON), 503),
        (asyncpg.UniqueViolationError(PERSON), 500),
        (asyncpg.exceptions._base.DataError(PERSON), 500),
        (ValueError(PERSON), 500),
        (KeyError(PERSON), 500),
        (web.HTTPNotFound(text=PERSON), 404),
        (web.HTTPMethodNotAllowed("GET", ["POST"], text=PERSON), 405),
        (web.HTTPRequestEntityTooLarge(1, 2, text=PERSON), 413),
        (web.HTTPUnsupportedMediaType(text=PERSON), 415),
        (web.HTTPExpectationFailed(text=PERSON), 417),
        (web.HTTPTeapot(text=PERSON) if hasattr(web, "HTTPTeapot") else web.HTTPGone(text=PERSON), 500),
    ],
)
def test_every_error_has_its_refusal_and_none_speaks(error, status):
    refusal = problems.refusal_of(error)
    answer = problems.answer(refusal, "id")
    assert answer.status == refusal.status == status
    assert PERSON.encode() not in answer.body


def test_a_refusal_stands_for_itself():
    refusal = Malformed("No.", [Violation("/a", "rule", "Do this.")])
    assert problems.refusal_of(refusal) is refusal
    assert problems.document(refusal, "id") == {
        "type": "/problems/malformed",
        "title": "The request cannot be read",
        "status": 400,
        "detail": "No.",
        "errors": [{"pointer": "/a", "code": "rule", "detail": "Do this."}],
        "request_id": "id",
    }
    assert "request_id" not in problems.document(refusal), "an item of a batch has none of its own"


def test_an_answer_has_the_headers_of_its_status():
    answer = problems.answer(RateLimited("Wait.", retry_after_s=7), "id")
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "7"
    assert problems.answer(Unavailable("Wait."), "id").headers["Retry-After"] == "1"
    assert "Retry-After" not in problems.answer(Internal("Sorry."), "id").headers
    assert (
        problems.answer(errors.Unauthenticated("Key."), "id").headers["WWW-Authenticate"].startswith("Bearer")
    )
    assert problems.answer(errors.MethodNotAllowed("No."), "id", allow="GET").headers["Allow"] == "GET"


@pytest.mark.parametrize("kind", sorted(kinds_of_refusal(), key=lambda kind: kind.__name__))
def test_every_kind_of_refusal_fits_its_model_and_is_explained(kind):
    refusal = unreadable("empty") if kind is errors.SheetUnreadable else kind("Detail.")
    problems.Problem.model_validate(orjson.loads(problems.answer(refusal, "id").body))
    problems.ItemProblem.model_validate(problems.document(refusal))
    assert kind in explanations.TEXTS


def test_slugs_are_unique():
    slugs = [kind.slug for kind in explanations.TEXTS]
    assert len(slugs) == len(set(slugs))
