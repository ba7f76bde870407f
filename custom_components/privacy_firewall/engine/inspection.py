"""What the household may look into: previews, receipts, and the journal as a file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from . import point_preview, preview, receipt_page, receipts
from .beside import Beside
from .clock import ForwardClock
from .consents import Consents
from .export import Format, Names, export
from .journal import Journal, Query
from .model import Appliance, DataPoint, Recipient
from .pipeline import Pipeline
from .point_preview import PointPreview
from .preview import Preview
from .receipts import Receipt
from .revealing import Revealed, Revealing
from .stated_units import OTHER, canonical

MAX_TOGETHER = 20
"""Findings told of what shares a switch."""


@dataclass(slots=True)
class _Telling:
    """What an appliance's data points tell of each other, as long as it has the same ones.

    `promoted` is the pipeline's own list: another one where data points or consents are others.
    """

    promoted: list[DataPoint]
    revealing: Revealing
    shared: Mapping[str, frozenset[str]]
    told: dict[tuple[str, str], tuple[Revealed, ...]]
    beside: Beside
    together: dict[tuple[tuple[str, ...], str], tuple[Revealed, ...]]


class Inspection:
    """Looks and tells; changes nothing."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        consents: Consents,
        journal: Journal,
        clock: ForwardClock,
        stated: Callable[[], tuple[Mapping[str, Appliance], Mapping[str, Recipient]]],
    ) -> None:
        """Keep the parts; `stated` returns the appliances and recipients there are, by id."""
        self._pipeline = pipeline
        self._consents = consents
        self._journal = journal
        self._clock = clock
        self._stated = stated
        self._tellings: dict[str, _Telling] = {}

    async def preview(
        self,
        appliance_id: str,
        *,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Preview:
        """Say what would become of an appliance's request. Nothing is sent, recorded or learned.

        Raises `KeyError` for an unknown appliance, `ValueError` for what is no URL of a request.
        """
        appliance = self._stated()[0][appliance_id]
        return await preview.preview(
            self._pipeline, appliance, method=method, url=url, headers=headers, body=body
        )

    def unit(self, point: DataPoint) -> str | None:
        """Return the unit of a data point: the one that stands beside its value, else a guess."""
        appliance = self._stated()[0].get(point.appliance_id)
        stands = self._telling(appliance).beside.unit_of(point) if appliance is not None else None
        sample = self._pipeline.samples.newest(stands.id) if stands is not None else None
        if sample is None or not isinstance(sample.value, str):
            return point.unit
        unit = canonical(sample.value)
        # What is no unit that is known may be anything.
        return None if unit == OTHER else unit

    def points(
        self,
        appliance_id: str,
        points: Iterable[DataPoint],
        together: frozenset[str] = frozenset(),
    ) -> Iterator[PointPreview]:
        """Say of data points what was seen last, and what each recipient would get of it.

        What they also reveal is told as if those `together`, by their ids, were shared as well.
        Values: for the household's eyes only. Raises `KeyError` for an unknown appliance.
        """
        appliances, recipients = self._stated()
        appliance = appliances[appliance_id]
        telling = self._telling(appliance)
        for point in points:
            yield point_preview.preview(
                appliance,
                point,
                self._pipeline.samples.newest(point.id),
                recipients,
                shared=telling.shared,
                revealing=telling.revealing,
                together=together,
            )

    def also_reveals(self, point: DataPoint, recipient_id: str) -> tuple[Revealed, ...]:
        """Return what a recipient that gets a data point learns of those it does not get."""
        appliance = self._stated()[0].get(point.appliance_id)
        if appliance is None:
            return ()
        telling = self._telling(appliance)
        asked = point.id, recipient_id
        if asked not in telling.told:
            granted = telling.shared.get(recipient_id, frozenset())
            telling.told[asked] = tuple(telling.revealing.of(point, recipient_id, granted))
        return telling.told[asked]

    def together_reveal(
        self, points: Sequence[DataPoint], recipient_id: str
    ) -> tuple[Revealed, ...]:
        """Return what a recipient that gets all of these learns of those it does not get.

        They are one appliance's. Each finding once, at most `MAX_TOGETHER`.
        """
        appliance = self._stated()[0].get(points[0].appliance_id) if points else None
        if appliance is None:
            return ()
        telling = self._telling(appliance)
        ids = tuple(one.id for one in points)
        if (known := telling.together.get((ids, recipient_id))) is None:
            granted = telling.shared.get(recipient_id, frozenset()) | {*ids}
            found = {
                one.sentence: one
                for point in points
                for one in telling.revealing.of(point, recipient_id, granted)
            }
            known = tuple(found.values())[:MAX_TOGETHER]
            telling.together[ids, recipient_id] = known
        return known

    def _telling(self, appliance: Appliance) -> _Telling:
        promoted = self._pipeline.promoted(appliance)
        known = self._tellings.get(appliance.id)
        if known is None or known.promoted is not promoted:
            shared: dict[str, set[str]] = {}
            for consent in self._consents.ledger.current.values():
                if consent.appliance_id == appliance.id and self._consents.is_in_force(consent):
                    shared.setdefault(consent.recipient_id, set()).add(consent.data_point_id)
            known = self._tellings[appliance.id] = _Telling(
                promoted,
                Revealing(self._pipeline.learning.of(appliance.id)),
                {recipient_id: frozenset(ids) for recipient_id, ids in shared.items()},
                {},
                Beside(self._pipeline.learning.of(appliance.id)),
                {},
            )
            for gone in self._tellings.keys() - self._stated()[0].keys():
                del self._tellings[gone]
        return known

    async def receipts(
        self,
        *,
        data_point_id: str | None = None,
        recipient_id: str | None = None,
        people: Mapping[str, str] | None = None,
    ) -> list[Receipt]:
        """Return a receipt per consent: of one, of a recipient, or of the home.

        `people` are names by the ids of persons and users. Raises `StorageError`.
        """
        records = await self._consents.records(None, recipient_id)
        ledger = self._consents.ledger
        return receipts.build(
            [one for one in records if data_point_id in (None, one.consent.data_point_id)],
            await ledger.notices(),
            ledger.current,
            is_in_force=self._consents.is_in_force,
            issued_at=self._clock.now(),
            people=people or {},
        )

    def page(self, shown: Iterable[Receipt], zone: tzinfo) -> str:
        """Return receipts as an HTML page that loads nothing."""
        return receipt_page.page(shown, zone)

    async def export(self, path: Path, query: Query, how: Format) -> int:
        """Write what a query finds in the journal to a file; return how many entries it was.

        Raises `StorageError`.
        """
        appliances, recipients = self._stated()
        points: Iterable[DataPoint] = (
            point for one in appliances for point in self._pipeline.learning.of(one)
        )
        names = Names(
            appliances={one.id: one.name for one in appliances.values()},
            recipients={
                one.id: (one.organisation, one.purpose.value) for one in recipients.values()
            },
            data_points={point.id: point.name for point in points},
        )
        return await export(self._journal, path, query, how, names)
