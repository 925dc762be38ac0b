"""Simulated years of a funnel, for the alert study: every deal, at the hours at which it matures.

The world is harder than a binomial: rates differ by channel and weekday, drift for weeks, jitter
from day to day, follow the seasons; volume grows, breathes with the week and falls over the year's
end; the mix of channels wanders, and campaigns triple one channel for two weeks.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from ops.study.statistic import HOURS, Floats

Ints = npt.NDArray[np.int64]

STAGES: Final = ("lead", "qualified", "potential", "offer", "negotiation", "won")
STEPS: Final = ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (3, 5))
"""The tested pairs: each step, leads won, offers won."""
HORIZONS: Final = (1, 7, 30)
"""Days."""
CHANNELS: Final = (0.30, 0.20, 0.15, 0.12, 0.09, 0.07, 0.05, 0.02)
"""Shares of the leads."""

_RATES: Final = (0.48, 0.62, 0.72, 0.82, 0.47)
_HOURS_TO: Final = (16.0, 40.0, 55.0, 45.0, 70.0)
"""Mean hours that a step takes; log-normal."""
_WARMTH: Final = (1.0, 1.15, 0.8, 1.25, 0.9, 0.7, 1.3, 1.0)
"""What a channel's rates are, against the mean; part of it at each step."""
_WEEKDAY_VOLUME: Final = (1.1, 1.15, 1.1, 1.1, 1.0, 0.45, 0.4)
_WEEKDAY_RATE: Final = (1.0, 1.02, 1.0, 1.0, 0.97, 0.88, 0.9)
_SPREAD: Final = 0.9


@dataclass(frozen=True)
class World:
    """How much the real rates and the volume move, beyond chance."""

    daily: float = 0.03  # of all channels together, each step, each day anew
    channel_daily: float = 0.05  # of one channel
    drift: float = 0.05  # of a step, over months
    drift_days: float = 45.0
    season: float = 0.06
    volume_season: float = 0.25
    growth: float = 0.4  # in a year
    mix: float = 0.02  # a day, of the logarithm of a channel's share
    campaigns: int = 6  # a year


@dataclass(frozen=True)
class Drop:
    """What breaks: a step, in one channel or (``None``) in all, from a day on, for so many days."""

    step: int
    size: float
    day: int
    days: int
    channel: int | None = None


@dataclass(frozen=True)
class Counts:
    """Deals that matured, and those of them that converted: steps × horizons × channels × hours."""

    deals: Floats
    converted: Floats


@dataclass
class Market:
    """One funnel with so many leads a day."""

    leads_per_day: float
    days: int
    seed: int
    world: World = field(default_factory=World)

    def counts(self, drop: Drop | None = None) -> Counts:
        """What matures in each hour. The same seed is the same world, with or without a drop."""
        rng = np.random.default_rng(self.seed)
        rates = self._rates(rng)
        day, hour, channel = self._leads(rng)
        if drop is not None:
            affected = slice(None) if drop.channel is None else drop.channel
            rates[drop.step, affected, drop.day : drop.day + drop.days] *= 1 - drop.size
        at = np.full((len(STAGES), len(day)), np.inf)
        at[0] = hour
        for step in range(len(_RATES)):
            there = np.isfinite(at[step])
            then = np.minimum(at[step][there] // HOURS, self.days - 1).astype(np.int64)
            chance = rates[step, channel[there], then]
            got = rng.random(len(then)) < chance
            mean = _HOURS_TO[step]
            takes = mean * np.exp(rng.normal(-(_SPREAD**2) / 2, _SPREAD, len(then)))
            takes *= np.where(then % 7 >= 4, 1.3, 1.0)  # the weekend lies between
            at[step + 1][there] = np.where(got, at[step][there] + takes, np.inf)
        return self._matured(at, channel)

    def _days(self) -> Ints:
        return np.arange(self.days)

    def _rates(self, rng: np.random.Generator) -> Floats:
        """Steps × channels × days."""
        world, days = self.world, self._days()
        shape = len(_RATES), 1, self.days
        keep = np.exp(-1 / world.drift_days)
        kicks = rng.normal(0, world.drift * np.sqrt(1 - keep**2), shape)
        drift = np.zeros(shape)
        drift[..., 0] = rng.normal(0, world.drift, shape[:2])
        for day in range(1, self.days):
            drift[..., day] = keep * drift[..., day - 1] + kicks[..., day]
        jitter = rng.normal(0, world.daily, shape)
        own = rng.normal(0, world.channel_daily, (len(_RATES), len(CHANNELS), self.days))
        season = world.season * np.sin(2 * np.pi * (days / 365 + rng.random()))
        weekday = np.array(_WEEKDAY_RATE)[days % 7]
        warmth = (
            np.array(_WARMTH)[None, :, None] ** np.array((1, 0.7, 0.3, 0.2, 0.6))[:, None, None]
        )
        base = np.array(_RATES)[:, None, None] * warmth * weekday
        found: Floats = np.clip(base * np.exp(drift + jitter + own + season), 0.0, 0.97)
        return found

    def _leads(self, rng: np.random.Generator) -> tuple[Ints, Floats, Ints]:
        """Day, hour and channel of every lead."""
        world, days = self.world, self._days()
        volume = self.leads_per_day * np.array(_WEEKDAY_VOLUME)[days % 7]
        volume = volume * (1 + world.growth) ** (days / 365)
        volume = volume * (
            1 + world.volume_season * np.sin(2 * np.pi * (days / 365 + rng.random()))
        )
        volume = np.where(days % 365 >= 353, volume * 0.4, volume)
        logs = np.log(np.array(CHANNELS))[:, None]
        logs = logs + np.cumsum(rng.normal(0, world.mix, (len(CHANNELS), self.days)), axis=1)
        for _ in range(round(world.campaigns * self.days / 365)):
            begins = int(rng.integers(0, self.days))
            logs[int(rng.integers(0, len(CHANNELS))), begins : begins + 14] += np.log(3)
        shares = np.exp(logs)
        shares /= np.array(CHANNELS) @ (shares / np.array(CHANNELS)[:, None])
        leads = rng.poisson(volume * shares)
        day = np.concatenate([np.repeat(days, row) for row in leads])
        channel = np.repeat(np.arange(len(CHANNELS)), leads.sum(axis=1))
        clock = np.clip(rng.normal(13, 4, len(day)), 0, 23.99)
        return day, day * HOURS + clock, channel

    def _matured(self, at: Floats, channel: Ints) -> Counts:
        shape = len(STEPS), len(HORIZONS), len(CHANNELS), self.days * HOURS
        deals, converted = np.zeros(shape), np.zeros(shape)
        for number, (base, to) in enumerate(STEPS):
            there = np.isfinite(at[base])
            begins, ends, of = at[base][there], at[to][there], channel[there]
            for place, horizon in enumerate(HORIZONS):
                hour = np.ceil(begins + horizon * HOURS).astype(np.int64)
                seen = hour < shape[-1]
                cell = of[seen] * shape[-1] + hour[seen]
                got = ends[seen] - begins[seen] <= horizon * HOURS
                size = len(CHANNELS) * shape[-1]
                deals[number, place] = np.bincount(cell, minlength=size).reshape(shape[2:])
                counted = np.bincount(cell, weights=got, minlength=size)
                converted[number, place] = counted.reshape(shape[2:])
        return Counts(deals, converted)
