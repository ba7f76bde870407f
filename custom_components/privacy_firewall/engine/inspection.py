"""What the household may look into: previews, receipts, and the journal as a file."""

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from pathlib import Path

from . import preview, receipt_page, receipts
from .clock import ForwardClock
from .consents import Consents
from .export import Format, Names, export
from .journal import Journal, Query
from .model import Appliance, DataPoint, Recipient
from .pipeline import Pipeline
from .preview import Preview
from .receipts import Receipt


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
