"""What holds for every file of the project: sizes that fit in a head, and nothing of one machine."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_MAX_LINES = 400
FUNCTION_MAX_LINES = 70

# What a run or a build leaves behind; none of it is tracked.
LEFT_BEHIND = {"__pycache__", "dist", "var"}

# Where packages come from is the business of each machine's own configuration, and so are its paths.
# Written so that no pattern matches itself.
OF_ONE_MACHINE = {
    "an index address": re.compile(
        r"index[-_]url|trusted[-_]host|find[-_]links|pypi[.]org/simple|pythonhosted[.]org"
    ),
    "a distribution's address": re.compile(r"https?:[^\s\"']+\.(?:whl|tar\.gz)\b"),
    "a path of a machine": re.compile(r"(?<![\w.~])/(?:home|Users|work|workspace|mnt)/\w"),
}


def walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name == ".git":  # a file in a second work tree
            continue
        if not path.is_dir():
            yield path
        elif path.name == ".ci" or not (path.name.startswith(".") or path.name in LEFT_BEHIND):
            yield from walk(path)


def texts() -> Iterator[tuple[str, str]]:
    for path in walk(ROOT):
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


@pytest.mark.parametrize("what", OF_ONE_MACHINE)
def test_no_file_holds_what_only_one_machine_knows(what):
    pattern = OF_ONE_MACHINE[what]
    found = [
        f"{name}:{number}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{what} in {found}"


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an index address", "--extra-index" + "-url x"),
        ("a distribution's address", "url = https://example.org/a-1.0" + ".whl"),
        ("a path of a machine", "see /ho" + "me/someone/creditsvc"),
    ],
)
def test_the_patterns_find_what_they_are_for(what, line):
    assert OF_ONE_MACHINE[what].search(line)


def test_python_files_and_functions_fit_in_a_head():
    too_long = []
    for name, text in texts():
        if not name.endswith(".py"):
            continue
        if (lines := text.count("\n")) > FILE_MAX_LINES:
            too_long.append(f"{name}: {lines} lines")
        too_long += [
            f"{name}:{node.lineno} {node.name}: {length} lines"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_MAX_LINES
        ]
    assert not too_long
