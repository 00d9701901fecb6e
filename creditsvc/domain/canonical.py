"""Canonical bytes, and the leaf of an event in the log: reproducible by anyone, in any language.

Whoever holds an event's content, its salt and the receipt's facts recomputes its leaf hash so:

1. ``content`` is the CloudEvent in RFC 8785 canonical JSON, its ``subject`` being the canonical identifier.
2. ``commitment`` = base64 (RFC 4648 section 4) of SHA-256(``salt`` ‖ ``content``), ``salt`` being 16 bytes.
3. ``leaf`` is the RFC 8785 canonical JSON of exactly these members:
   ``{"commitment": …, "entity": "scheme:value", "recorded_at": "2026-03-05T00:00:00.000000Z",
   "sequence": 1, "source": …, "v": 1}``; the time in UTC with six decimals. That of a notice, which the
   service itself gives when time alone changes a record, has ``due``, the instant of the change, and
   ``notice``, its number within the entity, in the place of ``sequence`` and ``source``.
4. ``leaf hash`` = SHA-256(0x00 ‖ ``leaf``), as RFC 6962 section 2.1 and RFC 9162 have it.

The leaf holds a salted commitment and not the content, so that the log can go on proving order and
completeness after the law has had the content and its salt erased.
"""

import base64
import hashlib
from datetime import datetime

import orjson
import rfc8785

from creditsvc.domain import instants

LEAF_VERSION = 1
SALT_BYTES = 16
INTEGER_MAX = 2**53 - 1  # beyond, JSON numbers are not exact (RFC 8785 section 3.2.2.3 after IEEE 754)


class NotCanonical(ValueError):  # noqa: N818  it says what the value is, as a Refusal does
    """The value has no canonical JSON: lone surrogates, integers beyond 2^53, NaN, too deep, not JSON."""

    def __init__(self) -> None:
        super().__init__("the value has no canonical JSON form")  # never the value itself


def canonical(value: object) -> bytes:
    """Write a JSON value as RFC 8785 canonical JSON; ``NotCanonical`` when it has none.

    RFC 8785 orders members by UTF-16 code units and writes floats as ECMAScript does; orjson orders by UTF-8
    bytes. For ASCII keys both orders are one, and strings and exact integers are written alike, so orjson
    writes what has only these, at more than ten times the speed.
    """
    if _plain(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a lone surrogate, or deeper than orjson goes: the reference decides
            pass
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # it checks what it is given
    except (ValueError, RecursionError):
        pass
    raise NotCanonical


def _plain(value: object) -> bool:
    """Tell whether orjson with sorted keys writes the same bytes as RFC 8785."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str or item is None or kind is bool:
            continue
        if kind is dict:
            for key in item:  # type: ignore[attr-defined]  # mypy does not narrow by type()
                if type(key) is not str or not key.isascii():
                    return False
            waiting.extend(item.values())  # type: ignore[attr-defined]
        elif kind is list:
            waiting.extend(item)  # type: ignore[arg-type]
        elif kind is not int or not -INTEGER_MAX <= item <= INTEGER_MAX:  # type: ignore[operator]
            return False
    return True


def commit(salt: bytes, content: bytes) -> bytes:
    """Commit to a content without telling it: SHA-256 over a salt, 16 random bytes, and the content."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return hashlib.sha256(salt + content).digest()


def leaf(entity: str, sequence: int, recorded_at: datetime, source: str, commitment: bytes) -> bytes:
    """Write the leaf of an event in the log; the module says how."""
    # In the order of its names, and of texts and a count only: orjson writes it as ``canonical`` would.
    return orjson.dumps(
        {
            "commitment": base64.b64encode(commitment).decode("ascii"),
            "entity": entity,
            "recorded_at": instants.text(recorded_at),
            "sequence": sequence,
            "source": source,
            "v": LEAF_VERSION,
        }
    )


def notice_leaf(entity: str, number: int, due: datetime, recorded_at: datetime, commitment: bytes) -> bytes:
    """Write the leaf of a notice in the log; the module says how."""
    return canonical(
        {
            "commitment": base64.b64encode(commitment).decode("ascii"),
            "due": instants.text(due),
            "entity": entity,
            "notice": number,
            "recorded_at": instants.text(recorded_at),
            "v": LEAF_VERSION,
        }
    )


def leaf_hash(leaf: bytes) -> bytes:
    """Hash a leaf as RFC 6962 section 2.1 does: the zero byte keeps leaves and inner nodes apart."""
    return hashlib.sha256(b"\x00" + leaf).digest()
