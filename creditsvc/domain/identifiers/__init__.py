"""Identifiers of organisations: ``scheme:value``, the key under which everything is kept.

A scheme is one module here and one line in the registry below. A scheme that only natural persons have
(CPF, SSN, …) is never added: people are not in this service, and their identifiers are refused.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from unicodedata import normalize

from creditsvc.domain import persons
from creditsvc.domain.identifiers import cnpj, gb_coh, lei, siren, siret, uscc, usdot
from creditsvc.domain.identifiers.scheme import Scheme
from creditsvc.errors import IdentifierInvalid, NaturalPerson

__all__ = ["LONGEST", "SCHEMES", "Scheme", "parse"]

LONGEST: Final = 64  # characters of an identifier as written; the longest canonical one has 25

SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            uscc.SCHEME,
            lei.SCHEME,
            siren.SCHEME,
            siret.SCHEME,
            cnpj.SCHEME,
            gb_coh.SCHEME,
            usdot.SCHEME,
        )
    }
)

# What people write between the groups of a code: spaces, hyphens of every length, dots, slashes.
_SEPARATORS: Final = dict.fromkeys(
    map(ord, " \t\r\n-./\u00ad\u200b\u200c\u200d\u2010\u2011\u2012\u2013\u2014\u2015\u2060\u2212\ufeff")
)
_KNOWN: Final = ", ".join(SCHEMES)
_PERSON_DETAILS: Final = {
    "resident-id": "Rule resident-id: this is, or may be, a resident identity number (GB 11643)",
    "mobile-number": "Rule mobile-number: this is, or may be, a mobile telephone number",
    "sole-trader": "Rule sole-trader: this is, or may be, the code of an individual who trades (GB 32100)",
}


def parse(text: str) -> str:
    """Read an identifier as people write it and give its one canonical form ``scheme:value``.

    Letter case, full-width forms, spaces, hyphens, dots and slashes do not matter; a SIRET gives the SIREN
    of its legal unit. Raises ``NaturalPerson`` for what identifies a person and ``IdentifierInvalid`` for
    anything else that no organisation can have, saying which rule it breaks and never repeating it.
    """
    if len(text) > LONGEST:
        raise IdentifierInvalid(f"An identifier has at most {LONGEST} characters")
    plain = text if text.isascii() else normalize("NFKC", text)
    name, colon, rest = plain.partition(":")
    value = rest if rest.isalnum() else rest.translate(_SEPARATORS)
    if value.isascii():  # outside ASCII upper() may make two letters of one
        value = value.upper()
    # Persons first: some valid resident IDs are, by their check characters, also valid organisation codes.
    if len(value) >= 18 and persons.holds_resident_id(value):
        raise NaturalPerson(_PERSON_DETAILS["resident-id"])
    scheme = SCHEMES.get(name) or SCHEMES.get(name.strip().lower())
    try:
        if scheme is None:
            raise _unknown(colon)
        return f"{scheme.entity_scheme}:{scheme.canonical(value)}"
    except IdentifierInvalid:
        rule = persons.find(plain) or persons.find(value)
        if rule is None:
            raise
        raise NaturalPerson(_PERSON_DETAILS[rule]) from None


def _unknown(colon: str) -> IdentifierInvalid:
    if not colon:
        return IdentifierInvalid(f"An identifier is written scheme:value; the schemes are {_KNOWN}")
    return IdentifierInvalid(f"There is no such scheme here; the schemes are {_KNOWN}")
