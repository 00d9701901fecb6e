"""Where in a row a natural person may stand, and what of the row may then be shown to anybody.

What is found here is never kept, shown or logged: a cell that holds it is ``***`` from then on. Of a row
about a person nothing is shown but what finds it again in the agency's own books.
"""

import re
from collections.abc import Mapping
from typing import Final

from creditsvc.domain import persons
from creditsvc.handin import cells
from creditsvc.handin.columns import Kind

# How short names of organisations end, and what longer ones have in them; without, a name may be a person's.
_SHORT_ENDS: Final = (
    *("公司", "厂", "店", "社", "所", "院", "局", "馆", "站", "中心", "集团"),
    *("大学", "学校", "银行", "协会", "商行", "政府", "工会"),
)
_LONG_HOLDS: Final = re.compile(
    "公司|[厂店社所院局部会校馆场站行园队处学委办厅]|中心|集团|政府|企业|合伙|经营"
)
_SHORT_MAX_CHARS: Final = 4
# Longer than any column takes, so it is refused for its length and need not be searched.
_SEARCHED_MAX_CHARS: Final = 4_000
RULES: Final = {"resident-id": "person-id", "mobile-number": "person-phone", "sole-trader": "natural-person"}
"""The code of the reason for each rule by which ingest finds a person."""
CODES: Final = frozenset({*RULES, *RULES.values()})


def found(kind: Kind, values: Mapping[str, str]) -> dict[str, str]:
    """Give the columns whose cells hold a person's number, each with the code of the reason."""
    hits = {}
    for key, text in values.items():
        if len(text) > _SEARCHED_MAX_CHARS:
            continue
        rule = _in_money(text) if kind.columns[key].holds == "money" else persons.find(text)
        if rule is not None:
            hits[key] = RULES[rule]
    return hits


def _in_money(text: str) -> persons.Rule | None:
    """Name the rule that a cell for money breaks; what shows that it is an amount is no telephone.

    Eleven bare digits are sooner a number in the wrong column than a fine of thousands of millions.
    """
    if persons.holds_resident_id(cells.code_of(text)):
        return "resident-id"
    if cells.is_marked_amount(text):
        return None
    return persons.find(text) or persons.find("".join(text.split()))


def is_subject(values: Mapping[str, str], hits: Mapping[str, str]) -> bool:
    """Tell whether a row is about a natural person, or may be: then nothing of it is shown.

    ``hits`` are the columns in which a person's number was found.
    """
    if cells.names_people(values.get("subject_kind", "")):
        return True
    code, name = values.get("subject_code", ""), values.get("subject_name", "")
    if not hits.keys().isdisjoint({"subject_code", "subject_name"}) or _is_persons(code) or _is_persons(name):
        return True
    return not cells.is_organisation(code) and not cells.is_organisation(name) and _may_be_persons_name(name)


def _is_persons(text: str) -> bool:
    code = cells.code_of(text[:_SEARCHED_MAX_CHARS])
    return persons.resembles_resident_id(code) or code.startswith("92")


def _may_be_persons_name(name: str) -> bool:
    """Tell whether a name may be a person's; names of people from minorities are long, with dots in them."""
    bare = re.sub(r"[\s·.•]", "", name)
    if len(bare) <= _SHORT_MAX_CHARS:
        return bool(bare) and not bare.endswith(_SHORT_ENDS)
    return _LONG_HOLDS.search(bare) is None


def masked(values: Mapping[str, str], hits: Mapping[str, str], *, subject: bool) -> dict[str, str]:
    """Give the cells of a row as they may be shown."""
    shown = {}
    for key, text in values.items():
        searched = len(text) <= _SEARCHED_MAX_CHARS
        kept = key not in hits and searched and (not subject or _finds(key, text))
        shown[key] = text if kept else cells.MASK
    return shown


def _finds(key: str, text: str) -> bool:
    """Tell whether an agency finds a row again by this cell: the number of its document, or the day."""
    named = key in {"penalty_no", "licence_decision_no", "decided_on", "licensed_on"}
    return named and any(map(str.isdecimal, text))
