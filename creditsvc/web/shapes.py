"""What answers look like: the models that openapi.json is made from. Answers themselves are bytes already."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from creditsvc.web.problems import ItemProblem

Instant = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        description="RFC 3339 in UTC, microseconds",
        examples=["2026-03-05T08:00:00.000000Z"],
    ),
]
Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$", description="SHA-256, base64")]
Salt = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{22}==$",
        description="Goes before the event's canonical JSON in the hash that the leaf commits to; base64",
    ),
]
Note = Annotated[
    str,
    Field(
        pattern=r"^([^\n]+\n)+\n(— [^ \n]+ [A-Za-z0-9+/=]+\n)+$",
        description="A signed note (C2SP signed-note): a text, an empty line, its signatures",
    ),
]
Next = Annotated[str | None, Field(description="The cursor of the next page; null on the last")]
View = Annotated[
    Instant, Field(description="The instant since which this holds; `as_of` it gives these bytes")
]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReceiptShape(Shape):
    """The event is durable: where it stands in its organisation's history."""

    model_config = ConfigDict(title="Receipt")
    id: str
    source: str
    status: Literal["accepted", "duplicate"]
    entity: str
    sequence: Annotated[int, Field(ge=1, description="Gap-free within the entity")]
    recorded_at: Instant
    leaf_hash: Hash
    salt: Annotated[Salt | None, Field(description="Not of a duplicate whose content was erased")] = None


class PromisedReceipt(ReceiptShape):
    """A receipt of its own, with what it promises."""

    model_config = ConfigDict(title="Receipt with its promise")
    promise: Annotated[Note, Field(description="A note signed by the key for receipts")]


class Rejection(Shape):
    """What was not taken, and why. Null where the event could not even be told by source and id."""

    id: str | None
    source: str | None
    status: Literal["rejected"]
    problem: ItemProblem


class BatchResults(Shape):
    """One result for each event of the batch, in its order."""

    results: list[ReceiptShape | Rejection]
    promise: Annotated[
        Note | None, Field(description="One for all receipts here, in this order; null where there is none")
    ]


class PushAnswer(RootModel[PromisedReceipt | BatchResults]):
    """The original receipt of a duplicate, or the results of a batch."""


class Factor(Shape):
    """One of the records that weigh most in the score."""

    code: Annotated[str, Field(description="Reason code of the scoring model")]
    points: float
    record: str
    until: Annotated[Instant | None, Field(description="When time alone changes these points")]


class ScoreShape(Shape):
    """The official score; no value and `unrated` where nothing on record contributes."""

    model_config = ConfigDict(title="Score")
    model: str
    version: str
    value: float | None
    grade: str
    factors: Annotated[list[Factor], Field(max_length=4)]


class Listing(Shape):
    """A list that the organisation stands on."""

    model_config = ConfigDict(title="Listing", populate_by_name=True)
    record_class: Annotated[str, Field(alias="class")]
    record: str
    source: str
    since: Instant


class Profile(Shape):
    """One organisation at an instant, as this caller may see it."""

    entity: str
    name: str | None
    status: Literal["active", "dissolved", "unknown"]
    version: int
    valid_from: View
    valid_until: Annotated[Instant | None, Field(description="When time alone changes the answer")]
    score: ScoreShape
    standing: Annotated[dict[str, int], Field(description="Records that stand, by class")]
    listings: list[Listing]
    objections: Annotated[int, Field(description="Records under objection")]
    records: str


class Publicity(Shape):
    """Whether the public may see the record, from when until when, and by which rule of the catalogue."""

    model_config = ConfigDict(populate_by_name=True)
    public: bool
    since: Annotated[Instant | None, Field(alias="from", description="Null: never")]
    until: Annotated[Instant | None, Field(description="Null: without end, or never public")]
    repairable_from: Annotated[
        Instant | None, Field(description="Repair may be applied for from then on; null where no rule says")
    ]
    rule: Annotated[
        str | None, Field(description="Rule or rule set in /v1/catalogue, publicity; null once withdrawn")
    ]


class CaseShape(Shape):
    """An objection to a record, or an application for its repair."""

    model_config = ConfigDict(title="Case")
    kind: Literal["objection", "repair"]
    number: str
    state: str
    step: Annotated[str | None, Field(description="What is due next; null where nothing is")]
    opened_at: Instant
    since: Annotated[Instant, Field(description="When its state last changed, or what is due counts from")]
    procedure: Annotated[str, Field(description="In /v1/catalogue, procedures")]
    ground: str | None
    by: Annotated[str | None, Field(description="Who opened it; the public is not told")] = None
    handler: Annotated[str | None, Field(description="Who has to act on it; the public is not told")] = None


class RecordShape(Shape):
    """One item of an organisation's history, as its events come to."""

    model_config = ConfigDict(title="Record", populate_by_name=True)
    record: str
    source: str
    type: Annotated[str | None, Field(description="Null while only amendments have arrived")]
    record_class: Annotated[str | None, Field(alias="class")]
    state: str
    time: Instant | None
    publicity: Publicity
    objected: bool
    cases: Annotated[list[CaseShape], Field(description="In the order in which they were opened")]
    sequences: Annotated[list[int], Field(description="Its events in the history")]
    data: dict[str, Any]


class Records(Shape):
    """A page of records, in the order in which the service first heard of them."""

    entity: str
    valid_from: View
    valid_until: Instant | None
    items: list[RecordShape]
    next: Next


class Match(Shape):
    """Why a name matches: as a whole, by its beginning, by a part, or by parts apart."""

    reason: Literal["exact", "starts-with", "contains", "contains-parts"]
    former_name: bool
    until: Annotated[Instant | None, Field(description="Until when a former name was borne")]


class Hit(Shape):
    """An organisation whose name matches."""

    entity: str
    name: str
    match: Match


class Hits(Shape):
    """A page of matches, the closest first."""

    valid_from: View
    items: list[Hit]
    next: Next


Exact = Annotated[
    str,
    Field(
        pattern=r"^-?\d+(\.\d+|/\d+)?$",
        description="An exact number: a decimal, or a fraction where that has no end",
        examples=["-40", "100/3"],
    ),
]


class ContributionShape(Shape):
    """What one record adds to the score, and why."""

    model_config = ConfigDict(title="Contribution")
    code: Annotated[str, Field(description="Reason code of the model")]
    record: str
    source: str
    objected: bool
    points: Exact
    amounts: Annotated[dict[str, Exact], Field(description="What it adds to the model's further sums")]
    share: Annotated[Exact, Field(description="What that comes to in the score")]
    until: Annotated[Instant | None, Field(description="When time alone changes this")]


class Contributions(Shape):
    """A page of contributions, the strongest first."""

    items: list[ContributionShape]
    next: Next


class RankShape(Shape):
    """Where the score stands among organisations of similar size, as last ranked."""

    percentile: float
    peers: Annotated[int, Field(description="Organisations in the group, this one included")]
    group: Annotated[int, Field(description="Which of the model's groups of size")]
    ranked_at: Instant


class ScoreApart(Shape):
    """A score taken apart. Start, all shares and all adjustments add up to the value."""

    entity: str
    valid_from: View
    valid_until: Instant | None
    model: str
    version: str
    value: float | None
    exact: Annotated[Exact | None, Field(description="The value before it was rounded for publication")]
    grade: str
    start: float
    adjustments: dict[str, Exact]
    sums: dict[str, Exact]
    until: Annotated[Instant | None, Field(description="When time alone next changes the score")]
    rank: Annotated[
        RankShape | None, Field(description="Null for a model without peers, or before a ranking")
    ]
    contributions: Contributions


class RecordName(Shape):
    """A record by its number and who handed it in."""

    record: str
    source: str


BEFORE_2200 = "^([01][0-9]{3}|2[01][0-9]{2})-"


class WhatIf(Shape):
    """What to suppose: records repaired or revoked, an instant to look at it, a model to score by."""

    repaired: Annotated[list[RecordName], Field(max_length=100)] = []
    revoked: Annotated[list[RecordName], Field(max_length=100)] = []
    at: Annotated[str, Field(json_schema_extra={"format": "date-time", "pattern": BEFORE_2200})] | None = None
    model: str | None = None


class ScoreShort(Shape):
    """A score in short."""

    model: str
    version: str
    value: float | None
    exact: Exact | None
    grade: str
    until: Instant | None


class ShareChange(Shape):
    """A record whose share in the score would differ."""

    record: str
    source: str
    code: str
    before: Exact
    after: Exact


class WhatIfAnswer(Shape):
    """The score as it is and as it would be."""

    entity: str
    valid_from: View
    at: Instant | None
    before: ScoreShort
    after: ScoreShort
    changes: list[ShareChange]


class ModelShape(Shape):
    """One released version of a scoring model."""

    model_config = ConfigDict(title="Model")
    name: str
    version: str
    official: Annotated[bool, Field(description="Whether the score in profiles is this model's")]
    title: dict[str, str]
    family: str
    source: str
    in_force_from: Annotated[str | None, Field(json_schema_extra={"format": "date"})]
    announced_at: Annotated[Instant | None, Field(description="Null for what was there from the beginning")]
    method: Annotated[str, Field(description="The method in words, Markdown")]
    rules: Annotated[dict[str, Any], Field(description="The model as data")]


class Models(Shape):
    """All released models."""

    items: list[ModelShape]
    next: Next


class LookupFound(Shape):
    """A profile that was found."""

    entity: str
    found: Literal[True]
    profile: Profile


class LookupMissing(Shape):
    """Nothing is on record; or no organisation can have this identifier, which is not repeated then."""

    entity: str | None
    found: Literal[False]
    problem: ItemProblem | None = None


class LookupResults(Shape):
    """One result for each identifier, in their order."""

    results: list[LookupFound | LookupMissing]


class LookupRequest(Shape):
    """Which organisations to look up, and as of when."""

    entities: Annotated[list[str], Field(min_length=1, max_length=1000)]
    as_of: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
