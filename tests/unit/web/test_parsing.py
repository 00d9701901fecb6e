"""How the JSON of a body is parsed."""

import gc

import pytest

from creditsvc.errors import Malformed
from creditsvc.web.events import PARSED_COLLECTING_MAX_BYTES, parse

LONG = b"[" + b"[]," * PARSED_COLLECTING_MAX_BYTES + b"[]]"


def test_nothing_is_collected_while_a_long_body_is_parsed():
    collected: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        collected.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    try:
        gc.disable()
        before = len(collected)
        gc.enable()
        found = parse(LONG)
        # What is made after it is collected again: at most that once.
        assert len(collected) - before <= 2
    finally:
        gc.callbacks.remove(note)
    assert len(found) == PARSED_COLLECTING_MAX_BYTES + 1
    assert gc.isenabled()


def test_the_collector_runs_again_after_a_long_body_that_is_no_json():
    with pytest.raises(Malformed):
        parse(LONG[:-1])
    assert gc.isenabled()
