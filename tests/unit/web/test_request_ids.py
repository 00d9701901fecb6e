"""A caller may name its request, unless the name is unfit to be logged and echoed."""

import pytest
from aiohttp.test_utils import make_mocked_request

from creditsvc.web import request_ids


def of(given: str | None) -> str:
    headers = {} if given is None else {"X-Request-Id": given}
    return request_ids.of(make_mocked_request("GET", "/", headers=headers))


@pytest.mark.parametrize(
    "given",
    [
        "0af7651916cd43dd8448eb211c80319c",
        "00F067AA0BA902B7",
        "550e8400-e29b-41d4-a716-446655440000",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "e" * 64,
    ],
)
def test_a_fit_one_is_kept(given):
    assert of(given) == given


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "x" * 65,
        "a b",
        "a\tb",
        "日本",
        '"',
        "11010519491231002X",
        "110105_19491231_002X",
        "Tel13812345678",
        "110101199003070011",
        "0000000110101199003070011",
        "call-13800138000",
        "mine-1",
        "e" * 65,
    ],
)
def test_another_is_replaced(given):
    made = of(given)
    assert made != given
    assert len(made) == 32


def test_a_request_has_one_id():
    request = make_mocked_request("GET", "/")
    assert request_ids.of(request) == request_ids.of(request)
