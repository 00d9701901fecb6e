"""Arguments that several commands take: a wrong one is a wrong call, told before anything is begun."""

from datetime import datetime

import click

from creditsvc.domain import identifiers, instants
from creditsvc.errors import Refusal


def instant(written: str) -> datetime:
    """Read a time given as --as-of."""
    try:
        return instants.parse(written)
    except ValueError as error:
        raise click.BadParameter(
            "a time of RFC 3339 with its offset, such as 2026-03-01T00:00:00Z", param_hint="--as-of"
        ) from error


def organisation(written: str, hint: str) -> str:
    """Read an organisation's identifier in its one way of writing; what is refused is not repeated."""
    try:
        return identifiers.parse(written)
    except Refusal as refusal:
        raise click.BadParameter(refusal.detail.rstrip("."), param_hint=hint) from refusal


def address(url: str) -> str:
    """Read the address of a service, given as --url; gives it without a slash at its end."""
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("an address begins with http:// or https://", param_hint="--url")
    return url.rstrip("/")
