"""``/deals``: the deals behind a figure; ``/deals/<id>``: one deal's journey. The same answers as
``/api/deals``, as pages."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from funnel_stream import human
from funnel_stream.answers import wording
from funnel_stream.answers.deal_list import Entry
from funnel_stream.answers.explanation import Explanation
from funnel_stream.answers.question import Question
from funnel_stream.answers.wording import Phrase, Piece
from funnel_stream.contract.timestamps import moment
from funnel_stream.definition import Definition, Pipeline
from funnel_stream.errors import UsageError
from funnel_stream.exposition.deals_api import (
    DealsApi,
    NotHereError,
    NotYetError,
    PartitionShare,
    status_of,
)
from funnel_stream.exposition.page.site import render
from funnel_stream.exposition.page.view import basis_of

HtmlResponse = tuple[HTTPStatus, str]
"""Status and HTML."""

_VIEW_PARAMETERS: Final = ("pipeline", "window", "dimension", "currency")
"""Parameters that mean the same on the pages of figures."""

NOBODY: Final[Mapping[int, str]] = MappingProxyType({})
_OTHER_PART: Final = {"_numerator": "denominator", "_denominator": "numerator"}


class DealPages:
    """Pages about the deals that a worker holds.

    ``others`` in the methods: the addresses of other workers (``http://host:port``), by the
    partition that they hold; pages link to what those know.
    """

    def __init__(self, deals: DealsApi, definition: Definition) -> None:
        self._deals = deals
        self._definition = definition

    async def deals(
        self, query: Mapping[str, str], others: Mapping[int, str] = NOBODY
    ) -> HtmlResponse:
        """The deals behind a figure, for the parameters of ``/api/deals``; 400 says what is wrong
        with them, 503 what this worker waits for."""
        query = {name: query[name] for name in query}
        try:
            page = await self._deals.find(query)
        except (UsageError, NotYetError) as error:
            return _error_response(error, "/deals", query)
        question = page.question
        columns = self._columns(page.deals)
        as_of = _rfc3339(page.as_of)
        view_parameters = _view_parameters(query)
        return HTTPStatus.OK, _page(
            "deals.html",
            kpi=question.kpi,
            question=wording.describe_question(question),
            unit=_unit(question),
            part=question.suffix.removeprefix("_"),
            other_part=_other_part(question, query),
            as_of=wording.instant(moment(page.as_of)),
            home=_address("/", view_parameters),
            figure=_address(f"/kpi/{question.kpi.id}", view_parameters),
            with_pipeline=question.pipeline is None,
            columns=columns,
            rows=[self._row(entry, question, columns, query) for entry in page.deals],
            first=_address("/deals", query, after=None) if "after" in query else "",
            next=_address("/deals", query, after=page.after) if page.after else "",
            short=len(page.deals) < page.limit,
            json=_address("/api/deals", query),
            share=page.share,
            elsewhere=_elsewhere(page.share, others, "/deals", {**query, "as_of": as_of}),
        )

    async def deal(
        self, deal_id: str, query: Mapping[str, str], others: Mapping[int, str] = NOBODY
    ) -> HtmlResponse:
        """A deal's journey, what follows from it and where it counts; ``query`` may hold ``as_of``.

        404 tells which share of the deals this worker knows; 400 and 503 as for ``deals``.
        """
        query = {name: query[name] for name in query}
        path = _deal_path(deal_id)
        try:
            explained = await self._deals.explained(deal_id, query)
        except NotHereError as error:
            return status_of(error), _page(
                "deals_problem.html",
                status=status_of(error),
                deal_id=deal_id,
                hint=error.hint,
                share=error.share,
                elsewhere=[
                    each._replace(link=each.worker.rstrip("/") + _address(path, query))
                    for each in _elsewhere(error.share, others, path, query)
                    if path
                ],
            )
        except (UsageError, NotYetError) as error:
            return _error_response(error, path, query)
        # For a deal of a thousand events this, too, takes a good part of a second.
        return HTTPStatus.OK, await asyncio.to_thread(_deal_page, explained, path, query)

    def _columns(self, deals: Sequence[Entry]) -> list[str]:
        """The attributes that are worth a column: those that some of the deals have."""
        parts = [part for each in self._definition.dimension_list() for part in each.parts]
        return [
            name
            for name in dict.fromkeys((*parts, "amount"))
            if any(entry.attributes.get(name) for entry in deals)
        ]

    def _row(
        self, entry: Entry, question: Question, columns: Sequence[str], query: Mapping[str, str]
    ) -> "_DealRow":
        configured = self._definition.pipelines.get(entry.pipeline, Pipeline())
        return _DealRow(
            deal_id=entry.deal_id,
            # Whoever asks for an instant means it for the deals, too.
            link=_address(_deal_path(entry.deal_id), _only(query, "as_of")),
            pipeline=wording.titled(entry.pipeline, configured.title),
            stage=entry.stage
            and wording.titled(entry.stage, configured.stage_titles.get(entry.stage, "")),
            adds=wording.contribution(question, entry.contribution),
            at=wording.instant(entry.at),
            attributes=[_attribute(entry, name) for name in columns],
        )


class _DealRow(NamedTuple):
    """A deal in the table."""

    deal_id: str
    link: str
    pipeline: str
    stage: str | None
    adds: str
    at: Piece
    attributes: list[str]


def _attribute(entry: Entry, name: str) -> str:
    value = entry.attributes.get(name)
    if not value:
        return human.MISSING
    if name == "amount":
        number, currency = value.split()
        return f"{Decimal(number):,f} {currency}"
    return str(value)


def _unit(question: Question) -> str:
    """What the column of contributions is in."""
    if "currency" in question.labels and question.suffix != "_count":
        return question.labels["currency"]
    return question.kpi.unit if question.suffix in ("", "_sum") else "deals"


def _other_part(question: Question, query: Mapping[str, str]) -> dict[str, str]:
    """The other part of a ratio, and the address of its deals."""
    name = _OTHER_PART.get(question.suffix)
    return {"name": name, "link": _address("/deals", query, part=name, after=None)} if name else {}


# --- one deal -------------------------------------------------------------------------------------


class _TimelineStep(NamedTuple):
    """A step of the journey."""

    at: Piece
    what: str
    marks: list[str]
    details: list[Phrase]


class _ContributionRow(NamedTuple):
    """What a deal adds to a series of a figure."""

    series: Phrase
    adds: str
    at: Piece
    windows: str


class _FigureContributions(NamedTuple):
    """A KPI that a deal adds to."""

    title: str
    link: str
    additions: list[_ContributionRow]


def _deal_page(explained: Explanation, path: str, query: Mapping[str, str]) -> str:
    figures = _figures(explained)
    return _page(
        "deal.html",
        deal_id=explained.deal_id,
        # A pipeline without a figure has no page.
        home=_address("/", {"pipeline": explained.pipeline} if figures else {}),
        state=wording.state(explained),
        steps=[
            _TimelineStep(wording.instant(step.at), step.what, step.marks, wording.details(step))
            for step in explained.journey
        ],
        derived=list(wording.derived(explained)),
        figures=figures,
        times=[
            (wording.instant(each.at), each.panes, each.windows)
            for each in wording.times(explained)
        ],
        notes=explained.notes,
        json=path and _address(f"/api{path}", query),
    )


def _figures(explained: Explanation) -> list[_FigureContributions]:
    parameters = {"pipeline": explained.pipeline}
    found = groupby(wording.lines(explained), lambda line: (line.kpi, line.title))
    return [
        _FigureContributions(
            title,
            _address(f"/kpi/{kpi}", parameters),
            [
                _ContributionRow(
                    wording.labelled(dict(line.labels)),
                    line.adds,
                    wording.instant(line.at),
                    line.windows,
                )
                for line in lines
            ],
        )
        for (kpi, title), lines in found
    ]


# --- pages and addresses --------------------------------------------------------------------------


def _page(template: str, **context: Any) -> str:
    # An address may hold bytes that are no text; they must not come back as such.
    return render(template, **context).encode(errors="replace").decode()


def _error_response(
    error: UsageError | NotYetError, path: str, query: Mapping[str, str]
) -> HtmlResponse:
    status = status_of(error)
    return status, _page(
        "deals_problem.html",
        status=status,
        message=error.message,
        hint=error.hint or "",
        again=path and _address(path, query),
    )


class _Elsewhere(NamedTuple):
    """Another worker, and the address of the same page there."""

    worker: str
    partitions: list[int]
    link: str


def _elsewhere(
    share: PartitionShare, others: Mapping[int, str], path: str, query: Mapping[str, str]
) -> list[_Elsewhere]:
    """Who has the partitions that this worker has not. It passes readers on to them, so that they
    need not reach the other workers themselves."""
    held: dict[str, list[int]] = {}
    for partition in sorted(others.keys() - set(share.partitions)):
        held.setdefault(others[partition], []).append(partition)
    return [
        _Elsewhere(
            worker, partitions, _address(path, query, after=None, held_by=str(partitions[0]))
        )
        for worker, partitions in held.items()
    ]


def _deal_path(deal_id: str) -> str:
    """The path of a deal's page; empty for the two ids that no path can end in, for browsers take
    them for a way up."""
    if deal_id in (".", ".."):
        return ""
    return f"/deals/{quote(deal_id, safe='', errors='replace')}"


def _address(path: str, query: Mapping[str, str], **changed: str | None) -> str:
    """The path with the query, but for what is ``changed`` (``None``: left out). Empty where there
    is no path."""
    filled = {name: value for name, value in {**query, **changed}.items() if value is not None}
    return f"{path}?{urlencode(filled, errors='replace')}" if path and filled else path


def _view_parameters(query: Mapping[str, str]) -> dict[str, str]:
    """The view of figures from which somebody came to their deals."""
    view_parameters, basis = _only(query, *_VIEW_PARAMETERS), basis_of(query)
    return {**view_parameters, "basis": basis} if basis else view_parameters


def _only(query: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: query[name] for name in names if name in query}


def _rfc3339(at: int) -> str:
    return moment(at).isoformat().replace("+00:00", "Z")
