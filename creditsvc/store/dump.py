"""The schema of a database as SQL that reads well: what ``schema/schema.sql`` holds.

``python -m creditsvc.store.dump`` writes that file anew from the migrations, on an embedded server of its
own; a test fails while the two differ.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import schema
from creditsvc.store.database import SCHEMA
from creditsvc.store.embedded import EmbeddedServer
from creditsvc.store.embedded.binaries import installed
from creditsvc.store.migrations import migrate

FILE = schema.ROOT / "schema.sql"

_PREFACE = """\
-- The whole schema as it is today: the sum of the migrations, written by `python -m creditsvc.store.dump`.
-- Change it by a new migration. It needs the roles of roles.sql.

SET check_function_bodies = false;
"""
_DUMP_TIMEOUT_S = 60.0
# pg_dump heads each part with three comment lines that say what it is.
_PART = re.compile(r"^--\n-- Name: .*?; Type: (?P<kind>[A-Z ]+); Schema: .*\n--\n", re.MULTILINE)
_NOISE = re.compile(r"^(SET |\\(un)?restrict |--$|-- PostgreSQL database dump complete$)")
_OBJECT = re.compile(rf"\b{SCHEMA}\.(\w+)")


def dump(dsn: str) -> str:
    """Return the schema of a database, table by table, in an order that does not depend on its past."""
    command = [str(installed() / "bin" / "pg_dump"), "--schema-only", f"--schema={SCHEMA}", "--no-owner"]
    done = subprocess.run(  # noqa: S603  a program by its full path, no shell between
        [*command, f"--dbname={dsn}"], check=True, capture_output=True, text=True, timeout=_DUMP_TIMEOUT_S
    )
    return arrange(done.stdout)


def arrange(dumped: str) -> str:
    """Put what belongs to a table behind it, and leave out what is the same in every dump.

    Foreign keys stay at the end, where every table exists.
    """
    heads = [*_PART.finditer(dumped)]
    ends = [*(head.start() for head in heads[1:]), len(dumped)]
    parts = [(head["kind"], _tidy(dumped[head.end() : end])) for head, end in zip(heads, ends, strict=True)]
    groups: dict[str, list[str]] = {"": []}
    for made in ("TABLE", "VIEW"):  # a view is made of tables
        groups |= {_subject(text): [] for kind, text in parts if kind == made}
    last: list[str] = []
    for kind, text in parts:
        if kind == "FK CONSTRAINT":
            last.append(text)
        else:
            groups.get(_subject(text), groups[""]).append(text)
    blocks = [_PREFACE, *("\n".join(group) for group in groups.values()), "\n".join(last)]
    return "\n\n".join(block.strip() for block in blocks if block.strip()) + "\n"


def _subject(text: str) -> str:
    """Return the first thing of the schema that a statement names: its table, even if it makes an index."""
    found = _OBJECT.search(text)
    return found[1] if found else ""


def _tidy(text: str) -> str:
    return "\n".join(line for line in text.strip().splitlines() if not _NOISE.match(line)).strip()


async def _write() -> None:
    with tempfile.TemporaryDirectory(prefix="creditsvc-dump-") as folder:
        server = await EmbeddedServer.start(Path(folder) / "data")
        try:
            await migrate(server.dsn, report=lambda _: None)
            text = await asyncio.to_thread(dump, server.dsn)
        finally:
            await server.stop()
    FILE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{FILE} written\n")


if __name__ == "__main__":
    asyncio.run(_write())
