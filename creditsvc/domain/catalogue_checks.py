"""What must hold across the parts of a catalogue's file, beyond the shape of each part."""

from collections.abc import Iterator, Mapping

from creditsvc.domain.catalogue_file import CatalogueInvalid, Field, File, TypeEntry
from creditsvc.domain.catalogue_procedures import check_procedures
from creditsvc.domain.catalogue_retention import check_retention
from creditsvc.domain.catalogue_rule_sets import check_publicity
from creditsvc.domain.kinds import LIMITS, SCORED
from creditsvc.domain.moves import MOVES
from creditsvc.domain.violations import pointer

Problem = tuple[str, str]

# The fields by which the fold of a record tells what an event of a role is about.
_ROLE_NEEDS: Mapping[str, tuple[str, ...]] = {
    "corrects": ("changes",),
}
# The same for the moves of a case; which case it is, the field tells that is named like its kind.
_MOVE_NEEDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("objection", "open"): ("ground",),
    ("objection", "decide"): ("decision",),
}
_ON_ANY_RECORD = frozenset({"corrects", "revokes", "repairs", "shields", "unshields", "moves"})


def check(file: File) -> None:
    """Check the file as a whole; ``CatalogueInvalid`` names everything that is wrong."""
    openings = {name for name, entry in file.types.items() if entry.role in {"opens", "states"}}
    procedures = check_procedures(file.procedures, file.classes.keys(), openings)
    problems = [*_fields(file), *_classes(file), *_types(file), *check_publicity(file), *procedures]
    problems += check_retention(file.retention, file.classes, file.publicity)
    if problems:
        raise CatalogueInvalid(problems)


def _fields(file: File) -> Iterator[Problem]:
    for name, known in file.fields.items():
        at = pointer(("fields", name))
        limit = LIMITS[known.kind]
        if set(known.limits) != ({limit} if limit else set()):
            yield f"{at}/limits", f"kind {known.kind} takes {limit or 'no limit'}"
        if bool(known.values) != (known.kind == "code"):
            yield f"{at}/values", "codes are listed for kind code, and for no other"
        if known.scoring and known.kind not in SCORED:
            yield f"{at}/scoring", f"kind {known.kind} may hold what names somebody"


def _classes(file: File) -> Iterator[Problem]:
    for name, known in file.classes.items():
        at = pointer(("classes", name))
        openings = _openings(file, name)
        if not openings:
            yield at, "no type opens a record of this class"
        if known.publicity not in file.publicity:
            yield f"{at}/publicity", "no such rule"
        elif file.publicity[known.publicity].kind == "term":
            yield from _termed(at, openings)
        if known.consent:
            yield from _consented(at, name, file)
        for part, named in (("dated_by", known.dated_by), ("expires", known.expires)):
            if named is not None and not all(_has_date(file, entry, named) for entry in openings):
                yield f"{at}/{part}", "not a date that every opening type of the class has"


def _termed(at: str, openings: list[TypeEntry]) -> Iterator[Problem]:
    for entry in openings:
        if "severity" not in entry.required:
            yield f"{at}/publicity", f"a term needs a severity, which {entry.name} does not require"


def _consented(at: str, name: str, file: File) -> Iterator[Problem]:
    """Check that what asks for consent can be taken out of a profile by its counts alone."""
    known = file.classes[name]
    if known.publicity in file.publicity and file.publicity[known.publicity].kind != "never":
        yield f"{at}/publicity", "what asks for consent is never public"
    if known.listing:
        yield f"{at}/listing", "what asks for consent is no listing, which every partner is shown"
    ends = any(entry.role == "closes" and entry.record_class == name for entry in file.types.values())
    if ends or known.expires is not None:
        yield f"{at}/consent", "what asks for consent stands until it is withdrawn, so that it is counted"


def _openings(file: File, record_class: str) -> list[TypeEntry]:
    return [
        entry
        for entry in file.types.values()
        if entry.record_class == record_class and entry.role in {"opens", "states"}
    ]


def _has_date(file: File, entry: TypeEntry, named: str) -> bool:
    known: Field | None = file.fields.get(named)
    return known is not None and known.kind == "date" and named in {*entry.required, *entry.optional}


def _types(file: File) -> Iterator[Problem]:
    for name, entry in file.types.items():
        at = pointer(("types", name))
        yield from ((at + place, what) for place, what in (*_role(file, entry), *_members(file, entry)))


def _role(file: File, entry: TypeEntry) -> Iterator[Problem]:
    if entry.role in _ON_ANY_RECORD:
        if entry.record_class is not None:
            yield "/class", "what is said of any record has no class"
    elif entry.record_class not in file.classes:
        yield "/class", "no such class"
    if (entry.state is not None) != (entry.role == "closes"):
        yield "/state", "a closing type leaves a state, and no other does"
    for name in _ROLE_NEEDS.get(entry.role, ()):
        if name not in entry.required:
            yield "/required", f"role {entry.role} needs {name}"
    yield from _moves(entry)


def _moves(entry: TypeEntry) -> Iterator[Problem]:
    if "record_source" in {*entry.required, *entry.optional} and entry.role != "moves":
        yield "/optional", "only moves are about records of others"
    if entry.procedure is None or entry.move is None:
        if entry.role == "moves" or (entry.procedure, entry.move) != (None, None):
            yield "/move", "a type of role moves, and no other, has a procedure and a move of it"
        return
    if entry.role != "moves" or entry.move not in MOVES[entry.procedure]:
        yield "/move", "the procedure has no such move"
    for name in (entry.procedure, *_MOVE_NEEDS.get((entry.procedure, entry.move), ())):
        if name not in entry.required:
            yield "/required", f"this move needs {name}"


def _members(file: File, entry: TypeEntry) -> Iterator[Problem]:
    for part, names in (("required", entry.required), ("optional", entry.optional)):
        for index, name in enumerate(names):
            if name not in file.fields:
                yield f"/{part}/{index}", "no such field"
            elif name in names[:index] or (part == "optional" and name in entry.required):
                yield f"/{part}/{index}", "named twice"
    if "record" not in {*entry.required, *entry.defaults}:
        yield "/required", "record must be required or have a default"
    for part, some in (("defaults", tuple(entry.defaults)), ("at_least_one_of", entry.at_least_one_of)):
        if not set(some) <= set(entry.optional):
            yield f"/{part}", "these must be optional fields"
