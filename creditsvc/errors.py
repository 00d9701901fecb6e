"""Everything the service says no with: one hierarchy, rendered as RFC 9457 problem documents at the edge.

A refusal never carries the value that was refused: texts name rules and fields only, because a value may
be a natural person's identifier that must not be stored, echoed or logged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with the input: where (a JSON pointer, RFC 6901), which rule, and what to do."""

    pointer: str
    code: str
    detail: str

    def beneath(self, prefix: str) -> "Violation":
        return Violation(prefix + self.pointer, self.code, self.detail)


class Refusal(Exception):  # noqa: N818  the field's word is refusal, not error
    """The service declines a request, or one item of a batch."""

    slug: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The service failed"

    def __init__(
        self, detail: str, violations: Sequence[Violation] = (), *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s


class Malformed(Refusal):
    slug, status, title = "malformed", 400, "The request cannot be read"


class Unauthenticated(Refusal):
    slug, status, title = "unauthenticated", 401, "A valid key is needed"


class Forbidden(Refusal):
    slug, status, title = "forbidden", 403, "This key may not do that"


class ForeignForm(Refusal):
    """A form that was not sent from a page of this service, or not in its session."""

    slug, status, title = "foreign-form", 403, "This form did not come from here"


class PurposeMissing(Refusal):
    """A query that is written down with its purpose has to have one."""

    slug, status, title = "purpose-missing", 403, "Say what the query is for"


class NotFound(Refusal):
    slug, status, title = "not-found", 404, "There is nothing here"


class EntityUnknown(Refusal):
    slug, status, title = "entity-unknown", 404, "Nothing is on record for this organisation"


class ProofPending(Refusal):
    """The event is recorded, and the log has yet to give it its position and sign that."""

    slug, status, title = "proof-pending", 404, "The log has not come to this event yet"


class IdentifierInvalid(Refusal):
    """No organisation can have this identifier: asking for it finds nothing (404); in an event it is 422."""

    slug, status, title = "identifier-invalid", 404, "This is not an organisation's identifier"


class NaturalPerson(Refusal):
    slug, status, title = "natural-person", 422, "Data about natural persons is not taken"


class MethodNotAllowed(Refusal):
    slug, status, title = "method-not-allowed", 405, "This resource does not take that method"


class EventConflict(Refusal):
    slug, status, title = "event-conflict", 409, "This event identity was used for something else"


class RecordExists(Refusal):
    slug, status, title = "record-exists", 409, "A record with this number stands already"


class CaseConflict(Refusal):
    slug, status, title = "case-conflict", 409, "The case does not allow this now"


class TooLarge(Refusal):
    slug, status, title = "too-large", 413, "The request is too large"


class UnsupportedMediaType(Refusal):
    slug, status, title = "unsupported-media-type", 415, "This media type is not taken here"


class EventInvalid(Refusal):
    slug, status, title = "event-invalid", 422, "The event breaks the catalogue's rules"


class SheetUnreadable(Refusal):
    """A sheet that was handed in and of which no row can be read.

    ``code`` with its ``figures`` is what ``creditsvc.handin`` says in any language; ``detail`` is English.
    """

    slug, status, title = "sheet-unreadable", 422, "The sheet cannot be read"

    def __init__(
        self, code: str, figures: Mapping[str, str | int], detail: str, violations: Sequence[Violation] = ()
    ) -> None:
        super().__init__(detail, violations)
        self.code = code
        self.figures = figures


class SheetStale(Refusal):
    """What was checked of a sheet, as a page carried it to be sent, is too old or was not sealed here."""

    slug, status, title = "sheet-stale", 409, "What was checked does not hold any more"


class RateLimited(Refusal):
    slug, status, title = "rate-limited", 429, "Too many requests"


class NotInstalled(Refusal):
    """What was asked for needs a part that this installation was made without; the detail says which."""

    slug, status, title = "not-installed", 501, "A part that this needs is not installed"


class Internal(Refusal):
    pass


class Unavailable(Refusal):
    slug, status, title = "unavailable", 503, "The service cannot take this now; send it again"
