"""What must hold of the rules of publicity in a catalogue's file, so that one holds for every record."""

from collections.abc import Iterator
from datetime import date

from creditsvc.domain.catalogue_file import File, Publicity, RuleSet, Term
from creditsvc.domain.violations import pointer

Problem = tuple[str, str]

UNTOLD = "untold"  # of a record whose category the agency did not say


def check_publicity(file: File) -> Iterator[Problem]:
    """Find what is wrong in the rules of publicity: (JSON pointer into the file, what is wrong there)."""
    names = set(file.publicity)  # an answer names either the rule or the rule set: no name may be both
    for name, rule in file.publicity.items():
        at = pointer(("publicity", name))
        for part in ("branches", "categories", "rule_sets"):
            if getattr(rule, part) and rule.kind != "term":
                yield f"{at}/{part}", "only rules of kind term have any"
        if rule.kind == "term" and not rule.rule_sets:
            yield f"{at}/rule_sets", "kind term needs rule sets"
        if UNTOLD in rule.categories:
            yield f"{at}/categories/{UNTOLD}", "this name is for records that tell no category"
        for index, one in enumerate(rule.rule_sets):
            if one.name in names:
                yield f"{at}/rule_sets/{index}/name", "there is another rule of this name"
            names.add(one.name)
            yield from (
                (f"{at}/rule_sets/{index}{place}", what) for place, what in _rule_set(file, rule, one)
            )
        yield from ((f"{at}/rule_sets/{place}", what) for place, what in _days(rule))


def _days(rule: Publicity) -> Iterator[Problem]:
    """Those for all authorities leave no day out, and no branch has two on one day."""
    for branch in {one.branch for one in rule.rule_sets} | {None}:
        own = [(index, one) for index, one in enumerate(rule.rule_sets) if one.branch == branch]
        until: date | None = None
        for place, (index, one) in enumerate(own):
            first, last = place == 0, place == len(own) - 1
            if branch is None and ((one.decided_from != until) or (one.decided_from is None) != first):
                yield (
                    f"{index}/decided_from",
                    "the rule sets must follow each other without a gap, the first open",
                )
            if branch is not None and not first and not _after(one.decided_from, until):
                yield f"{index}/decided_from", "the branch has another rule set on that day"
            if (one.decided_until is None) != last and (branch is None or not last):
                yield f"{index}/decided_until", "the last rule set is open, and no others"
            until = one.decided_until


def _after(start: date | None, end: date | None) -> bool:
    return start is not None and end is not None and start >= end


def _rule_set(file: File, rule: Publicity, one: RuleSet) -> Iterator[Problem]:
    if one.branch is not None and one.branch not in rule.branches:
        yield "/branch", "no such branch"
    if one.decided_from and one.decided_until and one.decided_until <= one.decided_from:
        yield "/decided_until", "it ends before it begins"
    severity = file.fields.get("severity")
    if severity is None or set(one.severities) != set(severity.values):
        yield "/severities", "every severity has its terms, and nothing else has"
    for name, terms in one.severities.items():
        at = pointer(("severities", name))
        if [index for index, term in enumerate(terms) if term.categories is None] != [len(terms) - 1]:
            yield at, "the last term is for every category, and no other is"
        for index, term in enumerate(terms):
            yield from ((f"{at}/{index}{place}", what) for place, what in _term(file, rule, term))


def _term(file: File, rule: Publicity, term: Term) -> Iterator[Problem]:
    if not set(term.categories or ()) <= {*rule.categories, UNTOLD}:
        yield "/categories", "no such category"
    if term.public != (term.maximum_months is not None):
        yield "/maximum_months", "what is public has a maximum, and nothing else has"
    if not 0 <= term.minimum_months <= (term.maximum_months or 0):
        yield "/minimum_months", "it is at least 0 and at most the maximum"
    if term.or_until is not None:
        known = file.fields.get(term.or_until)
        if known is None or known.kind != "date" or not term.public:
            yield "/or_until", "not a date of what is public"
    if term.no_term_from is not None and term.or_until is None:
        yield "/no_term_from", "there is no other end that it could be about"
