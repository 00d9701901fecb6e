"""What a form may be: short where people type, long only in what our own page made for it to carry."""

import time

import pytest

from creditsvc.errors import Malformed, TooLarge
from creditsvc.web.site import forms

LONG = 2_800_000  # characters in escapes make 8 MB


def test_what_is_carried_comes_out_as_it_was():
    sealed = "gAAAA-_" * 400_000 + "=="
    for written in (sealed, sealed.replace("=", "%3D"), sealed.replace("=", "%3d")):
        body = f"token=t&sheet={written}&form=csv&blank=+&said=a%0D%0Ab+%C3%A9".encode()
        found = forms.parse(body, "sheet")
        assert found == {"token": "t", "sheet": sealed, "form": "csv", "said": "a\nb é"}


@pytest.mark.parametrize(
    "body",
    [
        b"token=t&sheet=" + b"%41" * LONG,
        b"sheet=" + b"A" * LONG + b"%C3",
        b"sheet=A&sheet=A",
        b"sheet=A&%73heet=A",
        b"&" * 3 * LONG,
        b"a=%FF",
        b"\xff=a",
    ],
    ids=range(7),
)
def test_what_no_form_of_ours_is_is_refused_before_it_costs(body):
    began = time.thread_time()
    with pytest.raises(Malformed):
        forms.parse(body, "sheet")
    assert time.thread_time() - began < 0.2, "undoing the escapes of all takes a second"


@pytest.mark.parametrize("name", [b"other", b"%73heet", b"sheets"])
def test_no_other_field_is_as_long(name):
    with pytest.raises(TooLarge):
        forms.parse(name + b"=" + b"%41" * LONG, "sheet")
    with pytest.raises(TooLarge):
        forms.parse(b"sheet=" + b"A" * forms.MOST_BYTES)


async def test_what_is_too_long_to_be_of_an_event_is_not_shown_again():
    fields = {"id": "A", "facts": "x" * (forms.KEPT_MAX_CHARS + 1), "reason": "11010519491231002X"}
    assert await forms.kept(fields) == await forms.kept({"id": "A"}) == {"id": "A"}
    assert await forms.kept(None) == {}
