"""What is remembered of an appliance and a recipient, and what may be concluded from it.

Time passes by what is handed in: seconds since 1970, never less than before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from .insistence import MAX_HOURS, PER_HOUR, Hour, Rate
from .needs import Assessment, Fact, FactKind, Need

SOON = 600.0
"""Seconds after the first refusal within which what breaks is put down to it."""
MEND_SECONDS = 3600.0
"""How long after it may be had again what broke by its absence has time to come back."""
WITHOUT_SECONDS = 24 * 3600.0
"""For how long an appliance must do without before that means anything."""
WITHOUT_ATTEMPTS = 3
"""How often it must have asked meanwhile: one that is off misses nothing."""
MAX_BREAKS = 8
"""Entities that broke remembered of each; the oldest are forgotten."""
MAX_OTHERS = 8
"""Recipients remembered that were refused first at the same time."""


@dataclass(slots=True)
class Break:
    """An entity that became unavailable soon after the refusals began at `refused_at`."""

    entity_id: str
    at: float
    refused_at: float
    others: list[str] = field(default_factory=list[str])
    """Recipients that were refused first at the same time."""
    permitted_at: float | None = None
    back_at: float | None = None

    def kind(self, now: float) -> FactKind:
        """Say what it shows by now."""
        if self.back_at is None:
            is_late = self.permitted_at is not None and now - self.permitted_at > MEND_SECONDS
            return FactKind.NOT_MENDED if is_late else FactKind.BROKE
        is_mended = self.permitted_at is not None and self.permitted_at <= self.back_at
        return FactKind.MENDED if is_mended else FactKind.RECOVERED

    def shows_need(self, now: float) -> bool:
        """Tell whether it speaks for need, and for that of this recipient alone."""
        return not self.others and self.kind(now) in (FactKind.BROKE, FactKind.MENDED)


@dataclass(slots=True)
class Pair:
    """What was seen of one appliance and one recipient."""

    dns: Rate = field(default_factory=Rate)
    http: Rate = field(default_factory=Rate)
    permitted_at: float | None = None
    """When it was last permitted."""
    refused_since: float | None = None
    """When the refusals began that still go on."""
    refused_at: float | None = None
    """When it was last refused."""
    away: float = 0.0
    """How many seconds no gate was watching before these refusals began (see `Watched`)."""
    asked: int = 0
    """How often it was refused since they began."""
    was_permitted: bool = False
    """Whether it had it before."""
    others: list[str] = field(default_factory=list[str])
    breaks: list[Break] = field(default_factory=list[Break])
    worked: Fact | None = None
    storm: Fact | None = None
    stated: tuple[Need, float] | None = None
    permitted_under: int = -1
    refused_under: int = -1
    """The policy's version then."""

    @property
    def is_partly(self) -> bool:
        """Whether one part of it passes and another does not, as the household decided."""
        return self.permitted_under == self.refused_under >= 0

    # --- What happens ---

    def permit(self, rate: Rate, version: int, now: float) -> bool:
        """Take note of an attempt that was permitted; tell if that is news."""
        self.permitted_under = version
        self.permitted_at = now
        rate.permitted(now)
        is_news = self.refused_since is not None
        if is_news:
            self.end_refusals()
        if self.breaks and not self.is_partly:
            is_news |= self._had_again(now)
        return is_news

    def _had_again(self, now: float) -> bool:
        """Note of what is still broken that it has the recipient again; tell if that is news."""
        waiting = [one for one in self.breaks if one.back_at is None and one.permitted_at is None]
        for one in waiting:
            one.permitted_at = now
        return bool(waiting)

    def refuse(self, rate: Rate, version: int, now: float, away: float) -> tuple[bool, bool]:
        """Take note of an attempt that was refused; tell if that is news, and if it is a storm."""
        if self.permitted_under == version:
            is_news = self.refused_under != version
            self.refused_under = version
            self.end_refusals()
            return is_news, False
        self.refused_under = version
        is_news = self.refused_since is None
        if is_news:
            self._begin(now, away)
        self.refused_at = now
        self.asked += 1
        if not rate.refused(now):
            return is_news, False
        # Once for each time that it is refused.
        self.dns.threshold = self.http.threshold = 0
        usual = rate.usual()
        self.storm = Fact(
            kind=FactKind.RETRY_STORM,
            at=now,
            figures={
                "usual_per_hour": round(usual or 0.0, 1),
                "now_per_hour": rate.counted * PER_HOUR,
            },
        )
        return True, True

    def _begin(self, now: float, away: float) -> None:
        self.was_permitted = self.permitted_at is not None and (
            self.refused_at is None or self.permitted_at >= self.refused_at
        )
        self.refused_since, self.asked, self.away = now, 0, away
        self.others = []
        for rate in (self.dns, self.http):
            rate.begin_refusals()

    def end_refusals(self) -> None:
        """Take note that it is no longer refused, whether or not it has asked since."""
        self.refused_since = None
        self.others = []

    def joins(self, other_id: str) -> None:
        """Take note that another recipient was refused first at the same time."""
        for names in (
            self.others,
            *(one.others for one in self.breaks if one.refused_at == self.refused_since),
        ):
            if other_id not in names and len(names) < MAX_OTHERS:
                names.append(other_id)

    def broke(self, entity_id: str, now: float) -> bool:
        """Take note that an entity broke; tell if that is evidence."""
        since = self.refused_since
        if since is None or not self.was_permitted or now - since > SOON or self.is_partly:
            return False
        self.breaks.append(
            Break(entity_id=entity_id, at=now, refused_at=since, others=list(self.others))
        )
        del self.breaks[:-MAX_BREAKS]
        return True

    def came_back(self, entity_id: str, now: float) -> bool:
        """Take note that an entity is available again; tell if that is evidence."""
        found = [one for one in self.breaks if one.entity_id == entity_id and one.back_at is None]
        for one in found:
            one.back_at = now
        return bool(found)

    def keep_entities(self, present: frozenset[str]) -> None:
        """Forget what broke and is there no more: nobody will know whether it comes back."""
        self.breaks = [
            one for one in self.breaks if one.back_at is not None or one.entity_id in present
        ]

    def look(self, now: float, away: float, watched: int, unavailable: int) -> bool:
        """Take note of how it does without; tell if that is news."""
        since = self.refused_since
        if since is None or self.is_partly or not watched or unavailable:
            return False
        seconds = now - since - (away - self.away)
        if seconds < WITHOUT_SECONDS or self.asked < WITHOUT_ATTEMPTS:
            return False
        if self.worked is not None and self.worked.at >= since:
            return False
        figures = {"hours": round(seconds / 3600, 1), "asked": self.asked, "watched": watched}
        self.worked = Fact(kind=FactKind.WORKED, at=now, figures=figures)
        return True

    # --- What follows from it ---

    def assess(self, now: float, away: float, watched: int) -> Assessment:
        """Return the label, with everything that speaks for or against it, the oldest first."""
        rate = self._rate()
        usual = rate.usual()
        need, is_stated = self._need(now)
        return Assessment(
            need=need,
            is_stated=is_stated,
            evidence=tuple(sorted(self._facts(now, away, watched), key=lambda one: one.at)),
            usual_per_hour=None if usual is None else round(usual, 1),
            now_per_hour=rate.recent(now) * PER_HOUR,
        )

    def _rate(self) -> Rate:
        """Return the gate at which it tries now; else the one that knows what is usual."""
        return max((self.dns, self.http), key=lambda one: (one.counted, len(one.hours())))

    def _need(self, now: float) -> tuple[Need, bool]:
        """Return the label, and whether it is the household's own word."""
        if self.stated is not None:
            return self.stated[0], True
        shows_need = any(one.shows_need(now) for one in self.breaks)
        worked = self.worked is not None
        if self.is_partly or shows_need is worked:
            # Nothing is known, or one speaks against the other.
            return Need.UNKNOWN, False
        return Need.NEEDED if shows_need else Need.NOT_NEEDED, False

    def _facts(self, now: float, away: float, watched: int) -> Iterator[Fact]:
        if self.stated is not None:
            yield Fact(kind=FactKind.STATED, at=self.stated[1])
        if self.refused_since is not None:
            hours = (now - self.refused_since - (away - self.away)) / 3600
            figures = {"asked": self.asked, "hours": round(max(hours, 0.0), 1)}
            yield Fact(kind=FactKind.REFUSED, at=self.refused_since, figures=figures)
        if self.is_partly:
            yield Fact(kind=FactKind.PARTLY, at=self.permitted_at or now)
        for one in self.breaks:
            minutes = {"minutes": round((one.at - one.refused_at) / 60, 1)}
            kind = one.kind(now)
            if one.back_at is not None:
                minutes["lasted"] = round((one.back_at - one.at) / 60, 1)
            yield Fact(kind=kind, at=one.at, figures=minutes, entity_id=one.entity_id)
            if one.others:
                yield Fact(kind=FactKind.ONE_OF, at=one.at, recipient_ids=tuple(one.others))
        if self.worked is not None:
            yield self.worked
        if self.storm is not None:
            yield self.storm
        if not watched:
            yield Fact(kind=FactKind.NOTHING_WATCHED, at=now)

    # --- Kept over restarts ---

    def kept(self) -> dict[str, Any]:
        """Return it in a form that JSON takes: times, counts, ids of entities and recipients."""
        return {
            "dns": self.dns.hours(),
            "http": self.http.hours(),
            "permitted_at": self.permitted_at,
            "refused_since": self.refused_since,
            "refused_at": self.refused_at,
            "away": self.away,
            "asked": self.asked,
            "was_permitted": self.was_permitted,
            "others": self.others,
            "breaks": [
                [one.entity_id, one.at, one.refused_at, one.others, one.permitted_at, one.back_at]
                for one in self.breaks
            ],
            "worked": _figures(self.worked),
            "storm": _figures(self.storm),
            "stated": self.stated,
            "thresholds": [self.dns.threshold, self.http.threshold],
        }

    @classmethod
    def recall(cls, kept: dict[str, Any]) -> Self:
        """Return it as it was kept; raises `KeyError`, `TypeError` or `ValueError` for no such."""
        stated = kept["stated"]
        of_dns, of_http = kept["thresholds"]
        return cls(
            dns=Rate(_hours(kept["dns"]), int(of_dns)),
            http=Rate(_hours(kept["http"]), int(of_http)),
            permitted_at=_time(kept["permitted_at"]),
            refused_since=_time(kept["refused_since"]),
            refused_at=_time(kept["refused_at"]),
            away=float(kept["away"]),
            asked=int(kept["asked"]),
            was_permitted=bool(kept["was_permitted"]),
            others=[str(one) for one in kept["others"]][:MAX_OTHERS],
            breaks=[
                Break(
                    entity_id=str(entity_id),
                    at=float(at),
                    refused_at=float(refused_at),
                    others=[str(one) for one in others][:MAX_OTHERS],
                    permitted_at=_time(permitted_at),
                    back_at=_time(back_at),
                )
                for entity_id, at, refused_at, others, permitted_at, back_at in kept["breaks"]
            ][-MAX_BREAKS:],
            worked=_fact(FactKind.WORKED, kept["worked"]),
            storm=_fact(FactKind.RETRY_STORM, kept["storm"]),
            stated=None if stated is None else (Need(stated[0]), float(stated[1])),
        )


def _hours(kept: list[Any]) -> list[Hour]:
    return [(float(per_hour), float(seconds)) for per_hour, seconds in kept][-MAX_HOURS:]


def _time(kept: Any) -> float | None:
    return None if kept is None else float(kept)


def _figures(fact: Fact | None) -> list[Any] | None:
    return None if fact is None else [fact.at, dict(fact.figures)]


def _fact(kind: FactKind, kept: Any) -> Fact | None:
    if kept is None:
        return None
    at, figures = kept
    return Fact(
        kind=kind,
        at=float(at),
        figures={str(name): float(figure) for name, figure in figures.items()},
    )
