"""A line of the log says what happened and where, and never what was sent."""

import io
import logging

import orjson
import pytest

from creditsvc import logs

PERSON = "11010519491231002X"


@pytest.fixture
def stream():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logs.JsonLines())
    root.handlers, root.level = [handler], logging.INFO
    yield lines
    root.handlers, root.level = handlers, level


def only_line(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    assert PERSON not in line
    found = orjson.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_line_has_its_fields_beside_the_common_ones(stream):
    token = logs.REQUEST_ID.set("abc")
    logging.getLogger("creditsvc.x").info("done", extra={"fields": {"status": 200}})
    logs.REQUEST_ID.reset(token)
    line = only_line(stream)
    assert line["message"] == "done"
    assert (line["level"], line["logger"], line["status"]) == ("info", "creditsvc.x", 200)
    assert line["request_id"] == "abc"


def test_an_exception_is_logged_by_type_and_place_with_its_causes(stream):
    def fail() -> None:
        try:
            int(PERSON + "x")
        except ValueError as error:
            raise KeyError(PERSON) from error

    try:
        fail()
    except KeyError:
        logging.getLogger("creditsvc.x").exception("failed")
    line = only_line(stream)
    assert line["error"] == "builtins.KeyError"
    assert str(line["trace"]).count("fail") == 1
    assert line["causes"][0]["error"] == "builtins.ValueError"


def test_what_libraries_put_into_their_lines_stays_out(stream):
    text = f"Task exception was never retrieved\nfuture: ValueError({PERSON})"
    logging.getLogger("asyncio").error(text)
    assert only_line(stream)["message"] == "Task exception was never retrieved"


def test_nor_do_their_arguments_get_in(stream):
    logging.getLogger("some.library").error("failed on %s", PERSON)
    assert only_line(stream)["message"] == "failed on %s"
