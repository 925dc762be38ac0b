"""Whether the contract would take the constants of a mapping: else they cost every row the same."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from funnel_stream.contract import Decoder, Rejection
from funnel_stream.contract.money import check_money
from funnel_stream.contract.rejections import RefusedError
from funnel_stream.contract.timestamps import parse
from funnel_stream.tools.numbers import NumberError, NumberFormat, currency_of, may_be, read_amount

_PERIOD: Final = ("period_start", "period_end")
_FILLED: Final[dict[str, dict[str, Any]]] = {
    "stage_changed": {"deal_id": "1", "stage": "lead"},
    "deal_updated": {"deal_id": "1"},
    "activity_recorded": {"deal_id": "1", "activity": "call"},
    "spend_recorded": {"channel": "any", "amount": "1", "currency": "EUR"},
}
"""Of each type what an event cannot do without, as rows may say it."""


def refused(
    type_: str, given: Mapping[str, Any], currency: str | None, *, others: bool = False
) -> Iterator[tuple[str, str]]:
    """Names and what is wrong with the constants of an event of that type.

    ``currency`` is that of amounts without one; ``others``: rows may name another.
    """
    others_given = dict(given)
    if "currency" in others_given:
        try:
            check_money({"currency": others_given["currency"]})
        except RefusedError as error:
            yield "currency", error.rejection.message
            return
    code = others_given.pop("currency", currency)
    for name in ("amount", "cost", "score"):
        if name in others_given:
            try:
                others_given[name] = _number(name, others_given.pop(name), code, others)
            except NumberError as error:
                yield name, str(error)
            except RefusedError as error:
                yield name, error.rejection.message
    others_given = {
        name: value for name, value in others_given.items() if name not in ("amount", "cost")
    }
    alone = [name for name in _PERIOD if name in others_given]
    if len(alone) == 1:
        try:
            parse(others_given.pop(alone[0]), alone[0])
        except RefusedError as error:
            yield alone[0], error.rejection.message
    yield from _refused(_FILLED[type_] | {"type": type_} | others_given)


def _number(name: str, text: str, code: str | None, others: bool) -> float:
    number, mark = read_amount(text, NumberFormat())
    if name == "score":
        return float(number)
    row_currency = (currency_of(mark) if mark else None) or code
    if row_currency is not None and not others:
        if mark and not may_be(mark, row_currency):
            raise NumberError(
                f"{mark!r} stands beside the number, but the currency is {row_currency}"
            )
        check_money({name: f"{number:f}", "currency": row_currency})
    elif not others:
        raise NumberError(f"{text!r} has no currency; write currency: CODE in the mapping")
    return float(number)


def _refused(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    now = time.time()
    event |= {"event_id": "1", "occurred_at": "1970-01-02T00:00:00Z"}
    while True:
        [verdict] = Decoder().decode([json.dumps(event).encode()], [int(now * 1000)])
        if not isinstance(verdict, Rejection):
            return
        field = verdict.field.split("[")[0]
        if event.pop(field, None) is None:
            return
        yield field, verdict.message
