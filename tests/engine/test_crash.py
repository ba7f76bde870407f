"""Killed at any moment, it loses no record of what left, and gives nothing that was not given.

A real process is killed at named points, with traffic under way; `crash` has the home around it,
the places where it dies, and the checker. CRASH_KILLS sets how often at each point, CRASH_SEED
makes other moments.
"""

import asyncio
from dataclasses import replace
from itertools import cycle
import os
from pathlib import Path
import random
import time

from crash.checker import Evidence, breaches, claimed_only, requests_in
from crash.home import MIN_IN_FLIGHT, STAGES, Mutant, Point, Stage
from crash.scene import Lane, prepare
import pytest

from engine.model import ConsentState

KILLS = int(os.environ.get("CRASH_KILLS", "30"))
SEED = os.environ.get("CRASH_SEED", "0")
MUTANTS = 3
"""How often each thing that is broken on purpose is killed."""
WHAT = {
    Mutant.SEND_FIRST: "the journal says",
    Mutant.NO_WAIT: "the journal says",
    Mutant.EARLY_RETURN: "the ledger gained",
    Mutant.ENDLESS: "after the restart",
}
"""What the checker then says."""
LANES = 3
OCCASIONS = {
    # A row of the ledger is an occasion each; so is a commit, a send, an anchor.
    Stage.STOPPED: 100,
    Stage.JOURNAL: 15,
    Stage.ONE_BYTE: 100,
    Stage.IN_HEAD: 100,
    Stage.IN_BODY: 100,
    Stage.WRITTEN: 2,
    Stage.COMMITTED: 2,
    Stage.ANCHORED: 2,
    Stage.RETURNED: 12,
    Stage.LASTING: 3,
}
"""By stage: it is killed at one of the first so many occasions."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("prepared")
    asyncio.run(prepare(folder))
    return folder


async def kill(
    times: int,
    point: Point,
    *,
    prepared: Path,
    folder: Path,
    mutant: Mutant = Mutant.NONE,
    stages: tuple[Stage, ...] | None = None,
) -> list[Evidence]:
    """Kill so many processes at a point, at moments that differ and can be had again."""
    chance = random.Random(f"{SEED} {point} {mutant}")
    orders = [
        {
            "point": point,
            "stage": stage,
            "nth": chance.randint(1, OCCASIONS[stage]),
            "cut": chance.random(),
            "keeps_values": bool(number % 2),
            "set_back": point is Point.EXPIRY and chance.random() < 0.5,
            "mutant": mutant,
        }
        for number, stage in zip(range(times), cycle(stages or STAGES[point]))
    ]
    waiting = iter(enumerate(orders))
    found: list[Evidence] = []

    async def work(number: int) -> None:
        async with Lane(number=number, folder=folder, prepared=prepared).open() as lane:
            for index, order in waiting:
                found.append(await lane.kill(index, **order))

    async with asyncio.TaskGroup() as group:
        for number in range(1, LANES + 1):
            group.create_task(work(number))
    return found


def partial(evidence: Evidence) -> Stage | None:
    """How far the one request came that the cloud received in part."""
    (cut,) = [
        one for received in evidence.received for one in requests_in(received) if one.body is None
    ]
    if cut.begun:
        return Stage.IN_BODY
    return Stage.IN_HEAD if cut.size > 1 else Stage.ONE_BYTE


def began(evidence: Evidence) -> int:
    """How many requests the cloud began to receive."""
    return sum(len(requests_in(received)) for received in evidence.received)


@pytest.mark.parametrize("point", Point)
async def test_a_process_that_is_killed(
    point: Point, prepared: Path, tmp_path: Path, tables: dict[str, list[str]]
) -> None:
    started = time.monotonic()
    found = await kill(KILLS, point, prepared=prepared, folder=tmp_path)
    broken = [f"{one.order}: {breach}" for one in found for breach in breaches(one)]
    assert not broken, "\n".join(broken)
    assert len(found) >= KILLS
    assert min(one.in_flight for one in found) >= MIN_IN_FLIGHT
    if point is Point.MID_SEND:
        assert [partial(one) for one in found] == [one.order.stage for one in found]
    in_flight = [one.in_flight for one in found]
    tables.setdefault("processes killed", []).append(
        f"{point:18} {len(found):3} killed  in flight {min(in_flight)}-{max(in_flight)}"
        f"  requests {sum(map(began, found))}, journalled only {sum(map(claimed_only, found))}"
        f"  {time.monotonic() - started:5.1f} s"
    )


# --- The checker notices ---


@pytest.mark.parametrize(
    ("mutant", "point", "stages"),
    [
        (Mutant.SEND_FIRST, Point.BEFORE_COMMIT, None),
        (Mutant.SEND_FIRST, Point.AFTER_COMMIT, None),
        (Mutant.SEND_FIRST, Point.MID_SEND, None),
        (Mutant.NO_WAIT, Point.BEFORE_COMMIT, None),
        (Mutant.EARLY_RETURN, Point.WITHDRAWAL, (Stage.STOPPED, Stage.WRITTEN)),
        (Mutant.ENDLESS, Point.EXPIRY, (Stage.LASTING,)),
    ],
    ids=lambda one: one.name.lower() if isinstance(one, Mutant) else None,
)
async def test_what_is_broken_on_purpose_is_noticed(  # noqa: PLR0917 - as pytest passes them
    mutant: Mutant,
    point: Point,
    stages: tuple[Stage, ...] | None,
    prepared: Path,
    tmp_path: Path,
    tables: dict[str, list[str]],
) -> None:
    found = await kill(
        MUTANTS, point, prepared=prepared, folder=tmp_path, mutant=mutant, stages=stages
    )
    noticed = [
        evidence for evidence in found if any(WHAT[mutant] in one for one in breaches(evidence))
    ]
    assert len(noticed) == MUTANTS
    tables.setdefault("broken on purpose", []).append(
        f"{mutant}: killed {point}, noticed {len(noticed)} of {MUTANTS}"
    )


async def test_evidence_that_is_not_as_it_must_be_is_noticed(
    prepared: Path, tmp_path: Path
) -> None:
    (true,) = await kill(
        1, Point.WITHDRAWAL, prepared=prepared, folder=tmp_path, stages=(Stage.RETURNED,)
    )
    assert breaches(true) == []
    got = next(one for received in true.received for one in requests_in(received))
    assert got.body is not None
    stranger = got.begun.replace(b'"count"', b'"note"')
    tampered = {
        "ended with 1": replace(true, exit_code=1),
        "the journal says 0": replace(true, entries=[]),
        "received more requests than": replace(true, received=[b"P" for _ in true.entries]),
        "no entry has its value": replace(
            true,
            order=replace(true.order, keeps_values=True),
            entries=[replace(one, values=()) for one in true.entries],
        ),
        "was never given": replace(true, received=[b"POST /v1/am HTTP/1.1\r\n\r\n" + stranger]),
        "which was never given": replace(
            true,
            records=[one for one in true.records if one.consent.state is not ConsentState.GIVEN],
        ),
        "its withdrawal had returned": replace(true, late=0),
        "damaged": replace(true, integrity=["row 3 missing from index"]),
        "chain is broken at 7": replace(true, chain=(len(true.records), 7)),
        "lost records": replace(true, chain=(len(true.records) - 1, None)),
        "earlier record": replace(true, records=true.records[1:]),
        "from a backup": replace(true, is_restored=True),
        "in part": replace(true, records=true.records[:-1]),
        "nobody decided about": replace(true, records=[*true.records, true.records[0]]),
        "the ledger gained": replace(true, records=true.before),
        "1 too many and 0 too few": replace(true, given=true.given | {(got.slot, "steps")}),
        "0 too many and 1 too few": replace(true, given=true.given - {(got.slot, "count")}),
        "left of am": replace(true, after={"am": [got._replace(body={"count": 1, "mark": 7})]}),
    }
    silent = [what for what, one in tampered.items() if what not in " ".join(breaches(one))]
    assert silent == []
