"""What a filled template becomes: a code from a table, an exact amount, a date, an instant, a number."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from creditsvc.loading.templates import Unfit

Scalar = str | int | float | bool
Conversion = Callable[[str], Scalar]

_DECIMAL = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,12})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
# Wide enough for any product of the two patterns above; a result that would be rounded is an error instead.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])


def same(text: str) -> str:
    return text


def table(values: Mapping[str, Scalar]) -> Conversion:
    """Translate by a table that has to know the value: a new spelling is a question for people."""

    def convert(text: str) -> Scalar:
        try:
            return values[text]
        except KeyError:
            raise Unfit("not-in-table", "the value is not in the mapping's table of values") from None

    return convert


def scaled(scale: Decimal) -> Conversion:
    """Multiply exactly: 5 in 万元 is 50000.00. At least two decimals, as money is written; never rounded."""

    def convert(text: str) -> str:
        if not _DECIMAL.fullmatch(text):
            raise Unfit("not-a-number", "the value is not a plain decimal number such as 1234.5")
        whole, _, fraction = f"{_EXACT.multiply(Decimal(text), scale):f}".partition(".")
        return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"

    return convert


def whole(text: str) -> int:
    """Read a whole number."""
    if not _WHOLE.fullmatch(text):
        raise Unfit("not-a-whole-number", "the value is not a whole number")
    return int(text)


def date_in(formats: tuple[str, ...]) -> Conversion:
    """Read a date in the first format that fits; written as RFC 3339 writes it, 2017-03-02."""

    def convert(text: str) -> str:
        return _read(text, formats).date().isoformat()

    return convert


def instant_in(formats: tuple[str, ...], zone: tzinfo) -> Conversion:
    """Read an instant; one without an offset of its own is local time in ``zone``. Written as RFC 3339."""

    def convert(text: str) -> str:
        read = _read(text, formats)
        if read.tzinfo is None:
            read = read.replace(tzinfo=zone)
        offset = read.utcoffset() or timedelta()
        # Offsets before standard time had seconds, which RFC 3339 cannot write: +08:05:43 in Shanghai.
        return (read.astimezone(UTC) if offset % timedelta(minutes=1) else read).isoformat()

    return convert


def _read(text: str, formats: tuple[str, ...]) -> datetime:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  the zone is the mapping's and put on above
        except ValueError:
            continue
    raise Unfit("not-a-date", f"the value is not a date written as {' or '.join(formats)}")
