"""What a mistyped code is told: where it is wrong, and what may be meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditsvc.domain.identifiers import SCHEMES, mistyped, parse
from creditsvc.errors import NaturalPerson

CODE = "91350100M000100Y43"
MEANT = f"uscc:{CODE}"


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        CODE.lower(),
        f" {CODE} ",
        "9135 0100 M000 100Y43",
        MEANT,
        f"USCC: {CODE}",
        "９１３５０１００Ｍ０００１００Ｙ４３",
    ],
)
def test_a_code_is_read_as_people_write_it(text):
    assert mistyped.read(text) == mistyped.Typed((MEANT,))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_every_scheme_is_tried(scheme):
    assert parse(f"{scheme.name}:{scheme.example}") in mistyped.read(scheme.example).entities


@pytest.mark.parametrize(
    ("text", "fault", "first", "last"),
    [
        ("91350100MOO01OOY43", "character", 10, 10),
        ("91350100M00100Y43", "length", 17, 0),
        ("91350100MM000100Y43", "length", 19, 0),
        ("9135010OM000100Y43", "character", 8, 8),
        ("9135010AM000100Y43", "region", 8, 8),
        ("B1350100M000100Y43", "head", 1, 2),
        ("91350100M000200Y43", "place", 9, 17),  # both checks fail: within the organisation code
        ("91350200M000100Y43", "place", 1, 18),  # that of the organisation code holds
        ("91350100M001000Y43", "place", 9, 17),  # neighbours exchanged
    ],
)
def test_a_mistake_is_found_and_what_was_meant_is_offered(text, fault, first, last):
    typed = mistyped.read(text)
    assert (typed.entities, typed.fault, typed.first, typed.last) == ((), fault, first, last)
    assert MEANT in typed.meant


@pytest.mark.parametrize(
    ("text", "schemes", "meant"),
    [
        ("552081318", ["siren"], "siren:552081317"),
        ("525081317", ["siren"], "siren:552081317"),
        ("siren:552 081 318", ["siren"], "siren:552081317"),
        ("55208131766523", ["siret", "cnpj"], "siren:552081317"),
        ("SIRET: 552 081 317 66523", ["siret"], "siren:552081317"),
        ("12.ABC.345/01DE-36", ["cnpj"], "cnpj:12ABC34501DE35"),
        ("21ABC34501DE35", ["cnpj"], "cnpj:12ABC34501DE35"),
        ("213800wsgiizcxf1p573", ["lei"], "lei:213800WSGIIZCXF1P572"),
        ("HWUPKR0MPOU8FGXBT395", ["lei"], "lei:HWUPKR0MPOU8FGXBT394"),
    ],
)
def test_check_digits_that_do_not_fit_are_named_with_whose_they_are(text, schemes, meant):
    typed = mistyped.read(text)
    assert (typed.entities, typed.fault, [*typed.schemes]) == ((), "check", schemes)
    assert meant in typed.meant
    assert len({*typed.meant}) == len(typed.meant)


@pytest.mark.parametrize(
    "text", ["Acme Holdings of 2024 25", "Foods 12 34", "uscc:552081318", "lei:552081318"]
)
def test_a_name_with_numbers_and_what_says_that_it_is_something_else_are_no_such_codes(text):
    assert mistyped.read(text) == mistyped.NOTHING


@pytest.mark.parametrize("text", ["", "阿里巴巴", "Example Foods Ltd", "x" * 100, "FR-38", "\u0130" * 18])
def test_what_is_no_code_is_left_alone(text):
    assert mistyped.read(text) == mistyped.NOTHING


@pytest.mark.parametrize(
    "text", ["110101199003070011", "11010519491231002X", "92350100M000100Y43", "92350100MA00100Y43"]
)
def test_a_persons_is_refused(text):
    with pytest.raises(NaturalPerson):
        mistyped.read(text)


@given(st.integers(0, 17), st.sampled_from("0123456789ABCDEFGHJKLMNPQRTUWXY"))
def test_any_one_wrong_character_leads_back(place, character):
    text = CODE[:place] + character + CODE[place + 1 :]
    try:
        typed = mistyped.read(text)
    except NaturalPerson:
        return  # it would be a person's: nothing is offered
    assert MEANT in typed.entities + typed.meant
    if typed.fault == "place":
        assert typed.first <= place + 1 <= typed.last


@given(st.text(max_size=80))
def test_anything_is_read_or_refused(text):
    try:
        typed = mistyped.read(text)
    except NaturalPerson:
        return
    assert len(typed.meant) <= mistyped.MOST_MEANT
    assert all(parse(one) == one for one in typed.entities + typed.meant)
