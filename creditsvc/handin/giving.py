"""What agencies are given: templates to fill in, and the rows that were rejected with the reasons."""

from collections.abc import Iterable

from creditsvc.handin import columns
from creditsvc.handin.checking import Checked, CheckedRow
from creditsvc.handin.columns import Kind, KindName, titled
from creditsvc.handin.reasons import Reason
from creditsvc.handin.texts import Language, say
from creditsvc.handin.writing import Format, Table, written


def template(kind_name: KindName, language: Language, form: Format) -> bytes:
    """Give a sheet to fill in: the headers, one example, and in an .xlsx what to write in each column."""
    kind = columns.kind(kind_name)
    keys = list(kind.columns)
    headers = [kind.columns[key].label(language) for key in keys]
    notes = [_note(kind, key, language) for key in keys]
    example = [_example(kind, key, language) for key in keys]
    choices = {
        place: kind.columns[key].choices[language]
        for place, key in enumerate(keys)
        if kind.columns[key].choices
    }
    rows = [
        (header, _need(kind, key, language), titled(kind.columns[key].note, language), shown)
        for key, header, shown in zip(keys, headers, example, strict=True)
    ]
    rows.append((say(language, "template.rules"), "", "", ""))
    head = [say(language, f"template.{name}") for name in ("column", "need", "note", "example")]
    return written(
        [
            Table(titled(kind.title, language), headers, [example], notes, choices),
            Table(say(language, "template.notes"), head, rows),
        ],
        form,
    )


def rejected(checked: Checked, language: Language, form: Format) -> bytes:
    """Give the rejected rows with their reasons, in columns that are passed over when it is handed in again.

    A person's data is ``***`` in it, and so it is in every cell of a row about a person.
    """
    kind = columns.kind(checked.kind)
    keys = [key for key in kind.columns if key in checked.headers]
    header = [say(language, f"table.{name}") for name in ("row", "reasons", "remedies")]
    header += [checked.headers[key] for key in keys]
    rows = [(*_told(row, language), *(row.shown.get(key, "") for key in keys)) for row in checked.rejected]
    return written([Table(say(language, "table.rejected"), header, rows)], form)


def _told(row: CheckedRow, language: Language) -> tuple[str, str, str]:
    texts = (sentence(reason, language) for reason in row.reasons)
    return str(row.number), "\n".join(texts), "\n".join(_once(row.reasons, language))


def sentence(reason: Reason, language: Language) -> str:
    """Say what is wrong, with the column where it is."""
    text = reason.text(language)
    label = reason.label(language)
    return say(language, "reason.joined", {"label": label, "text": text}) if label else text


def _once(reasons: Iterable[Reason], language: Language) -> Iterable[str]:
    return dict.fromkeys(reason.remedy(language) for reason in reasons)


def _note(kind: Kind, key: str, language: Language) -> str:
    return f"{_need(kind, key, language)}\n{titled(kind.columns[key].note, language)}"


def _need(kind: Kind, key: str, language: Language) -> str:
    return say(language, "template.required" if key in kind.required else "template.optional")


def _example(kind: Kind, key: str, language: Language) -> str:
    example = kind.example.get(key, "")
    return _IN_ENGLISH.get(example, example) if language == "en" else example


_IN_ENGLISH = {"一般": "General", "法人及非法人组织": "Organisation"}
