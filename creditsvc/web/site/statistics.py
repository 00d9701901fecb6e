"""``/statistics``: how many events of each type took effect in each month, and organisations by grade."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from creditsvc.errors import Malformed, Violation
from creditsvc.ledger import statistics
from creditsvc.ledger.statistics import LEAST_SHOWN, Cell, Counts, total
from creditsvc.web.keys import CATALOGUE, LOOKUP_POOL, RULES
from creditsvc.web.routes import Parameter
from creditsvc.web.site.answering import in_words
from creditsvc.web.site.home import LANGUAGE, PAGE_RESPONSE, html
from creditsvc.web.site.rendering import page
from scoring.families import UNRATED

MONTHS = 12


@in_words
async def show(request: web.Request) -> web.StreamResponse:
    """Show the counts of a year, or of the latest there is."""
    year = _year(request)
    async with request.app[LOOKUP_POOL].acquire() as connection:
        counts = await statistics.read(connection, year)
    rows = _rows(request, counts)
    months = [total(cells[month] for _, cells, _ in rows) for month in range(MONTHS)]
    return page(
        request,
        "statistics.html",
        counts=counts,
        grades=_grades(request, counts),
        rows=rows,
        months=months,
        whole=total(months),
        most=lambda cells: max((cell.shown or 0 for cell in cells), default=0),
        least=LEAST_SHOWN,
    )


def _year(request: web.Request) -> int | None:
    text = request.query.get("year", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) == 4 and text != "0000"):
        wrong = Violation("/query/year", "year", "Four digits, as in 2026")
        raise Malformed("There is no such year", violations=(wrong,))
    return int(text)


def _rows(request: web.Request, counts: Counts) -> list[tuple[str, tuple[Cell, ...], Cell]]:
    """Put the types in the order of the catalogue; those that it has no more come last."""
    order = {name: place for place, name in enumerate(request.app[CATALOGUE].types)}
    names = sorted(counts.types, key=lambda name: (order.get(name, len(order)), name))
    return [(name, counts.types[name], total(counts.types[name])) for name in names]


def _grades(request: web.Request, counts: Counts) -> list[tuple[str, Cell]]:
    """Put the grades in the order of the model in force; those of another model come last."""
    model: Any = request.app[RULES].model(datetime.now(UTC), ZoneInfo("UTC"))
    known = [band.grade for band in getattr(model, "grades", ())]
    others = sorted(counts.grades.keys() - {*known, UNRATED})
    return [(grade, Cell.of(counts.grades.get(grade, 0))) for grade in (*known, *others, UNRATED)]


ROUTES = (
    html(
        "/statistics",
        show,
        name="statistics-page",
        summary="Events by month and type, and organisations by grade",
        parameters=(
            Parameter(
                name="year",
                description="Of which year the months are shown; the latest unless given.",
                schema={"type": "string", "pattern": "^[0-9]{4}$"},
            ),
            LANGUAGE,
        ),
        responses={200: PAGE_RESPONSE},
    ),
)
