"""Statements of organisations that are shown in part: without the words that may be a person's."""

import re
from typing import Any

from creditsvc.verifier.encoding import Found
from creditsvc.verifier.wrong import Wrong

# What an organisation states of a case may be shown without its words: what those are, and what is left.
PARTY, WORDS = "urn:entity:", ("reason", "note", "evidence")
STATEMENTS = r"credit\.(objection\.(opened|appealed|withdrawn)|repair\.(applied|supplemented|withdrawn))"
LEFT = {"record", "record_source", "objection", "repair", "ground", "commitment"}


def require_party(name: str, source: Any, entity: str, withheld: Any) -> None:
    """Refuse what nobody may be shown in part: all but an organisation's own words in what it states."""
    if source != PARTY + entity:
        raise Wrong(f"{name}: no salt is given, and only an organisation's own statements may be without")
    if not withheld or withheld != [f"/data/{one}" for one in WORDS if f"/data/{one}" in withheld]:
        raise Wrong(f"{name}: what is withheld is not what may be")


def require_part(name: str, event: Found, withheld: Any) -> None:
    """Refuse what is no part of such a statement, since its leaf does not tell what it was."""
    require_party(name, event["source"], event["subject"], withheld)
    if not re.fullmatch(STATEMENTS, event["type"]) or not event["data"].keys() <= LEFT:
        raise Wrong(f"{name}: what is shown of it is no part of what an organisation may state")


def is_part(part: Found, whole: Found) -> bool:
    """Tell whether an event that is shown in part is the one that is shown whole."""
    if "salt" in part or "salt" not in whole:
        return False
    event, words = whole["event"], [one for one in WORDS if one in whole["event"]["data"]]
    left = {name: value for name, value in event["data"].items() if name not in words}
    shown = {"withheld": [f"/data/{one}" for one in words], "event": {**event, "data": left}}
    facts = ("sequence", "recorded_at", "leaf_hash")
    return all(part[fact] == whole[fact] for fact in facts) and all(part[one] == shown[one] for one in shown)
