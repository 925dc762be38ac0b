"""A batch of record values to normalised events, or the reasons why not."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from pydantic import ValidationError

from funnel_stream.contract import timestamps
from funnel_stream.contract.amendments import Amended, Amendment
from funnel_stream.contract.blanks import says
from funnel_stream.contract.event import (
    ACTIVITY_OF,
    ACTIVITY_OUTCOMES,
    CLEARABLE,
    DIMENSIONS,
    HELD,
    SPEND,
    STAGES,
    UPDATE,
    Event,
)
from funnel_stream.contract.explain import rejections_of
from funnel_stream.contract.models import MAX_SCORE, check_period
from funnel_stream.contract.money import DECIMALS, from_json, read_currency
from funnel_stream.contract.rejections import Reason, RefusedError, Rejection, shown
from funnel_stream.contract.wire import validate_batch

MAX_VALUE_BYTES: Final = 65_536
MAX_CALL_BYTES: Final = 2 * 1_048_576
"""A larger batch is read in parts. A ``ValidationError`` keeps every bad record as objects, once
per missing field: without a limit, a fetch of hostile records could take gigabytes."""
MAX_AHEAD_MICROS: Final = 300_000_000
"""An event may lie so far ahead of its record's own timestamp, for clocks that differ."""

Decoded = tuple[str, Event]
"""The deal's id (the channel for a spend) and the event."""

_DEFAULT_PIPELINE: Final = "default"
_RANKS: Final = {stage: rank for rank, stage in enumerate(STAGES)}
_CONVERTED: Final = frozenset(
    ("amount", "cost", "currency", "score", "first_touch_at", "offer_requested_at", "cleared")
)
_ACTIVITY_KINDS: Final[dict[tuple[str, str | None], int]] = {
    **{name: kind for kind, name in ACTIVITY_OF.items()},
    **{(activity, None): kind for kind, (activity, _) in ACTIVITY_OF.items() if kind in HELD},
}
"""Kinds by activity and outcome; one of which nothing is said took place."""
_MILLION: Final = Decimal(1_000_000)
_FLOAT_TELLS_APART: Final = 10**15

_Reasons = tuple[Amendment, ...]


class Decoder:
    """Reads contract v1.

    ``aliases`` maps names of stages that producers use to the canonical ones, which always work;
    ``pipelines`` has those of single pipelines, which win over the others in events of theirs.
    """

    def __init__(
        self,
        aliases: Mapping[str, str] | None = None,
        pipelines: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        everywhere = _ranks(aliases or {})
        self._by_pipeline = {
            pipeline: everywhere | _ranks(aliases) | _RANKS
            for pipeline, aliases in (pipelines or {}).items()
            if aliases
        }
        self._everywhere = everywhere | _RANKS
        # What means the same in every pipeline: most stages are found without asking for theirs.
        particular = {
            alias for aliases in (pipelines or {}).values() for alias in aliases
        } - _RANKS.keys()
        self._kinds = {
            name: rank for name, rank in self._everywhere.items() if name not in particular
        }

    def decode(
        self, values: Sequence[bytes], timestamps_ms: Sequence[int]
    ) -> list[Decoded | Amended | Rejection]:
        """One entry per value, in order.

        ``timestamps_ms`` are the records' own Kafka timestamps; a negative one means that the
        record has none, and then nothing is too far in the future.

        One validator call reads a batch. If it finds bad records, it names all of them, and a
        second call reads the rest: some bad records make a batch cost twice its time, no more.
        """
        if len(values) != len(timestamps_ms):
            raise ValueError(f"{len(values)} values, but {len(timestamps_ms)} timestamps")
        sizes = list(map(len, values))
        rejected: dict[int, Rejection]
        if max(sizes, default=0) > MAX_VALUE_BYTES:
            rejected = {i: _too_large(n) for i, n in enumerate(sizes) if n > MAX_VALUE_BYTES}
        elif sum(sizes) > MAX_CALL_BYTES:
            half = len(values) // 2
            first = self.decode(values[:half], timestamps_ms[:half])
            return first + self.decode(values[half:], timestamps_ms[half:])
        else:
            try:
                records = validate_batch(list(values))
            except ValidationError as error:
                rejected = rejections_of(error, values)
            else:
                return self._normalised(records, values, timestamps_ms)
        kept = [i for i in range(len(values)) if i not in rejected]
        decoded = iter(self.decode([values[i] for i in kept], [timestamps_ms[i] for i in kept]))
        return [rejected[i] if i in rejected else next(decoded) for i in range(len(values))]

    def _normalised(
        self, records: list[dict[str, Any]], values: Sequence[bytes], timestamps_ms: Sequence[int]
    ) -> list[Decoded | Amended | Rejection]:
        """The hot loop: what is left of a record after its common fields are its attributes."""
        kinds, says_all, converted = self._kinds, _says_all, _CONVERTED
        activities = _ACTIVITY_KINDS
        entries: list[Decoded | Amended | Rejection] = []
        times = _times([record.pop("occurred_at") for record in records], timestamps_ms)
        for record, at in zip(records, times, strict=True):
            try:
                if isinstance(at, RefusedError):
                    raise at
                reasons: _Reasons = ()
                event_id = record.pop("event_id")
                kind_of_event = record.pop("type")
                if kind_of_event == "spend_recorded":
                    key, kind = record.pop("channel"), SPEND
                    record, reasons = _spend(record, values[len(entries)])
                else:
                    key = record.pop("deal_id")
                    if kind_of_event == "stage_changed":
                        kind = kinds.get(stage := record.pop("stage"), -1)
                        if kind < 0:
                            kind = self._kind_in(record.get("pipeline"), stage)
                    elif kind_of_event == "deal_updated":
                        kind = UPDATE
                    else:
                        activity, outcome = record.pop("activity"), record.pop("outcome", None)
                        kind = activities.get((activity, outcome), -1)
                        if kind < 0:
                            kind = _activity(activity, outcome)
                    if record and not (converted.isdisjoint(record) and says_all(record)):
                        record, reasons = _attributes(record, values[len(entries)])
                event = Event(at, kind, event_id, record or None)
                entries.append(Amended(key, event, reasons) if reasons else (key, event))
            except RefusedError as refused:
                entries.append(refused.rejection)
        return entries

    def _kind_in(self, pipeline: str | None, stage: str) -> int:
        """What an alias means in an event of that pipeline. Raises ``RefusedError``."""
        name = pipeline if pipeline is not None and says(pipeline) else _DEFAULT_PIPELINE
        try:
            return self._by_pipeline.get(name, self._everywhere)[stage]
        except KeyError:
            raise _unknown_stage(stage) from None


def _ranks(aliases: Mapping[str, str]) -> dict[str, int]:
    for alias, stage in aliases.items():
        if stage not in _RANKS:
            raise ValueError(f"alias {alias!r} stands for {stage!r}, which is not a stage")
    return {alias: _RANKS[stage] for alias, stage in aliases.items()}


def _times(texts: list[str], timestamps_ms: Sequence[int]) -> Sequence[int | RefusedError]:
    """When each event occurred, in microseconds, or why that is refused."""
    try:
        times = timestamps.batch_micros(texts)
        if max(times, default=0) <= min(timestamps_ms, default=0) * 1_000 + MAX_AHEAD_MICROS:
            return times
    except ValueError:
        pass
    return [_time(text, stamp) for text, stamp in zip(texts, timestamps_ms, strict=True)]


def _time(text: str, timestamp_ms: int) -> int | RefusedError:
    try:
        at = timestamps.micros(text)
    except ValueError:
        return timestamps.refusal(text, "occurred_at")
    ahead = at - timestamp_ms * 1_000
    if ahead > MAX_AHEAD_MICROS and timestamp_ms >= 0:
        return RefusedError(
            Reason.FUTURE_TIMESTAMP,
            "occurred_at",
            f"{shown(text)} is {ahead // 1_000_000} s ahead of the record's timestamp; "
            f"at most {MAX_AHEAD_MICROS // 1_000_000} s are allowed",
        )
    return at


def _says_all(record: dict[str, Any]) -> bool:
    """Whether all values are surely texts that are not blank.

    Blank texts sort before ``!``, so that one comparison of the least settles it (0.2 µs).
    """
    try:
        least: str = min(record.values())
        return least >= "!"
    except TypeError:
        return False


def _attributes(record: dict[str, Any], value: bytes) -> tuple[dict[str, Any], _Reasons]:
    """What was given of the attributes of a deal, in the units of ``Event``, and what was amended.

    Their order is always the same, so that equal events are equal when they are packed.
    """
    given: dict[str, Any] = {}
    reasons: _Reasons = ()
    currency = record.pop("currency", None)
    amount, cost = record.pop("amount", None), record.pop("cost", None)
    if amount is not None or cost is not None:
        reasons = _money(given, amount, cost, currency, value)
    score = record.pop("score", None)
    if score is not None and (type(score) is not str or says(score)):
        given["score"] = _score(score)
    for name in ("first_touch_at", "offer_requested_at"):
        moment = record.pop(name, None)
        if says(moment):
            given[name] = timestamps.parse(moment, name)
    cleared = record.pop("cleared", None)
    if record and not _says_all(record):
        record = {name: _cleaned(found) for name, found in record.items() if says(found)}
    record.update(given)
    if cleared and (names := _cleared(cleared, record)):
        record["cleared"] = names
    return record, reasons


def _money(given: dict[str, Any], amount: Any, cost: Any, currency: Any, value: bytes) -> _Reasons:
    """Adds what can be read of an amount and a cost to what is given; what was amended."""
    reasons: list[Amendment] = []
    for name, found in (("amount", amount), ("cost", cost)):
        if found is None:
            continue
        try:
            given[name] = _amount(found, currency, name, value, reasons)
        except RefusedError:
            if type(found) is not str or says(found):
                reasons.append(Amendment.UNREADABLE_AMOUNT)
    return tuple(dict.fromkeys(reasons)) if reasons else ()


def _amount(
    found: Any, currency: Any, name: str, value: bytes, reasons: list[Amendment]
) -> list[int | str]:
    """Minor units and currency. Raises ``RefusedError`` where they cannot be read."""
    usual = type(currency) is str and currency in DECIMALS
    code = currency if usual else read_currency(currency)
    units, rounded = from_json(found, code, name, value)
    if rounded:
        reasons.append(Amendment.ROUNDED_AMOUNT)
    if code != currency:
        reasons.append(Amendment.CURRENCY_CASE)
    return [units, code]


def _cleared(names: list[str], record: Mapping[str, Any]) -> list[str]:
    """What these names take away, in one order. What the same event gives again is not taken away,
    but of a dimension it is told: where the first value holds, one of them begins anew."""
    cleared = {"amount" if name == "currency" else name for name in names}
    return [
        name for name in CLEARABLE if name in cleared and (name not in record or name in DIMENSIONS)
    ]


def _cleaned(found: str | list[str]) -> str | list[str]:
    return [text for text in found if says(text)] if type(found) is list else found


def _spend(record: dict[str, Any], value: bytes) -> tuple[dict[str, Any], _Reasons]:
    """The attributes of a spend, and what was amended; its channel is the key and not repeated.

    An amount that cannot be read is no detail of a spend: it raises ``RefusedError``.
    """
    if record["amount"] is None:
        raise RefusedError(Reason.MISSING_FIELD, "amount", "amount is null; a spend needs it")
    reasons: list[Amendment] = []
    given: dict[str, Any] = {
        "amount": _amount(record["amount"], record["currency"], "amount", value, reasons)
    }
    if says(record.get("pipeline")):
        given["pipeline"] = record["pipeline"]
    for name in ("period_start", "period_end"):
        moment = record.get(name)
        if moment is not None and says(moment):
            given[name] = timestamps.parse(moment, name)
    check_period(given.get("period_start"), given.get("period_end"))
    return given, tuple(reasons)


def _activity(activity: str, outcome: str | None) -> int:
    """The kind of an activity whose outcome is blank, or none. Raises ``RefusedError``."""
    if not says(outcome):
        return _ACTIVITY_KINDS[activity, None]
    raise RefusedError(
        Reason.INVALID_VALUE,
        "outcome",
        f"{shown(outcome)} is none of {', '.join(ACTIVITY_OUTCOMES)}",
    )


def _score(score: object) -> int:
    """A score in millionths: half-even, from the shortest decimal that stands for the number."""
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise RefusedError(Reason.WRONG_TYPE, "score", f"{shown(score)} is not a JSON number")
    if not abs(score) <= MAX_SCORE:
        raise RefusedError(
            Reason.INVALID_VALUE,
            "score",
            f"{shown(score)} is not between {-MAX_SCORE:,.0f} and {MAX_SCORE:,.0f}",
        )
    # Floats distinguish decimals of up to 15 digits, so that this is the only one it can be.
    millionths = round(score * 1e6)
    if millionths / 1e6 == score and abs(millionths) < _FLOAT_TELLS_APART:
        return millionths
    return int((Decimal(repr(score)) * _MILLION).to_integral_value(ROUND_HALF_EVEN))


def _too_large(size: int) -> Rejection:
    return Rejection(Reason.TOO_LARGE, "", f"{size} bytes; a value has at most {MAX_VALUE_BYTES}")


def _unknown_stage(stage: str) -> RefusedError:
    return RefusedError(
        Reason.UNKNOWN_STAGE,
        "stage",
        f"{shown(stage)} is neither one of {', '.join(STAGES)} nor a configured alias",
    )
