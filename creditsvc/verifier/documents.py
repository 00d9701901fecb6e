"""What was given, sorted by what each document is; that follows from its content."""

from typing import Any

from creditsvc.verifier.encoding import json_of
from creditsvc.verifier.log import PROOF_MAGIC
from creditsvc.verifier.wrong import Wrong

BUNDLE = "creditsvc-evidence/v1"
ITEMS_MAX, NESTED_MAX = 1_000_000, 3
NAME_CHARACTERS_MAX = 200  # of what is repeated in what is told


class Documents:
    """Documents as they were taken in, by kind, and what is wrong with them."""

    def __init__(self) -> None:
        self.given: dict[str, list[tuple[str, Any]]] = {}  # by kind: where it stands, and what it is
        self.wrong: list[str] = []
        self._items = 0  # how many have been taken in

    def take(self, where: str, text: str, nested: int = 0) -> None:
        """Take in a document, or several in one."""
        if text[:100].lstrip()[:1] in {"{", "["}:
            try:
                self._take_json(where, json_of(text), nested)
            except Wrong as wrong:
                self.wrong.append(f"{where}: {wrong}")
        elif text.startswith(PROOF_MAGIC):
            self._put("proof", where, text)
        else:
            self._put("consistency" if text.startswith("old ") else "checkpoint", where, text)

    def _take_json(self, where: str, document: Any, nested: int = 0) -> None:
        match document:
            case {"bundle": str(version), "documents": dict(parts)} if version == BUNDLE:
                if nested == NESTED_MAX:
                    raise Wrong("too many bundles within bundles")
                for name, part in parts.items():
                    take = self.take if isinstance(part, str) else self._take_json
                    take(f"{where}, {short(name)}", part, nested + 1)
            case {"entity": entity, "checkpoint": checkpoint, "items": list(items)}:
                self._put("page", where, (entity, checkpoint))
                self._put("inclusion", where, *((entity, checkpoint, item) for item in items))
            case {"items": list(items), **more}:
                pages = [more.get("entity")] * len(items)
                self._put("history", where, *zip(pages, [None, *items], items, strict=False))
            case {"results": list(results), **more}:
                status = (one.get("status") if isinstance(one, dict) else None for one in results)
                receipts = [one for one, said in zip(results, status, strict=True) if said != "rejected"]
                self._put("promise", where, (more.get("promise"), receipts))
                self._put("receipt", where, *receipts)
            case {"leaf_hash": _, "status": _, **more}:
                self._take_json(where, {"results": [document], "promise": more.get("promise")})
            case list():
                self._put("event", where, *document)
            case dict():
                marks = {"specversion": "event", "verifier_key": "identity", "score": "profile"}
                self._put(next((marks[name] for name in marks if name in document), "else"), where, document)
            case _:
                self._put("else", where, document)

    def _put(self, kind: str, where: str, *documents: Any) -> None:
        self._items += len(documents) + 1
        if self._items > ITEMS_MAX:
            raise Wrong(f"more than {ITEMS_MAX} items: give fewer at once")
        self.given.setdefault(kind, []).extend((where, one) for one in documents)


def short(written: object) -> str:
    """Repeat what may be long."""
    text = str(written)
    return text if len(text) <= NAME_CHARACTERS_MAX else f"{text[:NAME_CHARACTERS_MAX]}…"
