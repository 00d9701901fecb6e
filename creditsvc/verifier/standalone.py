"""The verifier as one file, for those who check and have nothing else of this software."""

import re
from pathlib import Path

# In this order each needs only those before it.
PARTS = (
    *("__init__", "wrong", "tree", "encoding", "leaves", "notes", "log", "parts", "documents", "evidence"),
    "__main__",
)
_OWN = re.compile(r"^from creditsvc\.verifier\.\w+ import (?:\([^)]*\)|[^\n(]+)\n", re.MULTILINE)


def text() -> str:
    """Join the parts; what they import of each other stands above them."""
    files = (Path(__file__).with_name(f"{part}.py") for part in PARTS)
    return "\n\n".join(_OWN.sub("", file.read_text(encoding="utf-8")) for file in files)
