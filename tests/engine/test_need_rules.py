"""What follows from what broke and what did not: each rule, and what it must not conclude."""

import json

import pytest

from engine.need_rules import MAX_BREAKS, MEND_SECONDS, SOON, WITHOUT_SECONDS, Pair
from engine.needs import Assessment, FactKind, Need

BEGAN = 1_700_000_000.0
ENTITY = "sensor.cold"


class Story:
    """An appliance and a recipient, told as it goes on."""

    def __init__(self) -> None:
        self.pair, self.now, self.version, self.away, self.watched = Pair(), BEGAN, 1, 0.0, 1

    def after(self, seconds: float) -> Story:
        self.now += seconds
        return self

    def permit(self, times: int = 1, every: float = 60) -> Story:
        self.version += 1
        for _ in range(times):
            self.pair.permit(self.pair.dns, self.version, self.now)
            self.now += every
        return self

    def refuse(self, times: int = 1, every: float = 60) -> list[bool]:
        """Refuse it so often; return which of these made a storm."""
        self.version += 1
        storms: list[bool] = []
        for _ in range(times):
            _, storm = self.pair.refuse(self.pair.dns, self.version, self.now, self.away)
            storms.append(storm)
            self.now += every
        return storms

    def breaks(self, entity_id: str = ENTITY) -> Story:
        self.pair.broke(entity_id, self.now)
        return self

    def back(self, entity_id: str = ENTITY) -> Story:
        self.pair.came_back(entity_id, self.now)
        return self

    def look(self, unavailable: int = 0) -> Story:
        self.pair.look(self.now, self.away, self.watched, unavailable)
        return self

    @property
    def seen(self) -> Assessment:
        return self.pair.assess(self.now, self.away, self.watched)

    @property
    def kinds(self) -> list[FactKind]:
        return [one.kind for one in self.seen.evidence]


@pytest.fixture
def story() -> Story:
    return Story()


# --- Needed ---


def test_what_breaks_soon_after_and_stays_broken_is_needed(story: Story) -> None:
    assert story.permit().seen.need is Need.UNKNOWN
    story.refuse()
    story.after(120).breaks()
    assert story.seen.need is Need.NEEDED
    assert not story.seen.is_stated
    assert story.kinds == [FactKind.REFUSED, FactKind.BROKE]
    broke = story.seen.evidence[1]
    assert (broke.entity_id, broke.figures) == (ENTITY, {"minutes": 3.0})


def test_what_came_back_only_with_it_is_needed(story: Story) -> None:
    story.permit().refuse()
    story.after(60).breaks().after(3600).permit().after(60).back()
    assert story.seen.need is Need.NEEDED
    assert FactKind.MENDED in story.kinds


def test_what_came_back_without_it_is_no_need(story: Story) -> None:
    story.permit().refuse()
    story.after(60).breaks().after(1800).back()
    assert story.seen.need is Need.UNKNOWN
    assert FactKind.RECOVERED in story.kinds
    # Not even when it is permitted later.
    assert story.after(3600).permit().seen.need is Need.UNKNOWN


def test_what_stays_broken_though_it_has_it_again_is_no_need(story: Story) -> None:
    story.permit().refuse()
    story.breaks().after(3600).permit()
    assert story.seen.need is Need.NEEDED
    story.after(MEND_SECONDS)
    assert story.seen.need is Need.UNKNOWN
    assert FactKind.NOT_MENDED in story.kinds


def test_what_breaks_later_is_put_down_to_nothing(story: Story) -> None:
    story.permit().refuse()
    story.after(SOON).breaks()
    assert story.seen.need is Need.UNKNOWN
    assert FactKind.BROKE not in story.kinds


def test_what_it_never_had_breaks_nothing(story: Story) -> None:
    story.refuse()
    assert story.breaks().seen.need is Need.UNKNOWN
    assert FactKind.BROKE not in story.kinds


def test_what_breaks_while_it_is_permitted_says_nothing(story: Story) -> None:
    assert story.permit().breaks().seen.evidence == ()


def test_with_several_at_once_it_may_be_any(story: Story) -> None:
    """Whether the other came before what broke or after it."""
    story.permit().refuse()
    story.breaks()
    assert story.seen.need is Need.NEEDED
    story.pair.joins("adlens")
    assert story.seen.need is Need.UNKNOWN
    assert story.seen.evidence[-1].kind is FactKind.ONE_OF
    assert story.seen.evidence[-1].recipient_ids == ("adlens",)
    other = Story()
    other.permit().refuse()
    other.pair.joins("adlens")
    assert other.breaks().seen.need is Need.UNKNOWN


def test_an_entity_that_is_gone_says_nothing_more(story: Story) -> None:
    story.permit().refuse()
    story.breaks()
    story.pair.keep_entities(frozenset())
    assert story.seen.need is Need.UNKNOWN


def test_only_so_many_breaks_are_kept(story: Story) -> None:
    story.permit().refuse()
    for number in range(MAX_BREAKS + 20):
        story.breaks(f"sensor.s{number}")
    assert len(story.pair.breaks) == MAX_BREAKS


# --- Not needed ---


def test_what_works_without_for_a_day_does_not_need_it(story: Story) -> None:
    story.refuse(3)
    story.after(WITHOUT_SECONDS).look()
    assert story.seen.need is Need.NOT_NEEDED
    worked = story.seen.evidence[-1]
    assert worked.kind is FactKind.WORKED
    assert worked.figures == {"hours": pytest.approx(24.1, abs=0.1), "asked": 3, "watched": 1}
    # And what it then does while it is permitted takes nothing back.
    assert story.permit().seen.need is Need.NOT_NEEDED


@pytest.mark.parametrize("why", ["too early", "too silent", "broken", "nothing watched", "away"])
def test_less_than_that_shows_nothing(story: Story, why: str) -> None:
    story.watched = 0 if why == "nothing watched" else 2
    story.refuse(2 if why == "too silent" else 3)
    story.after(WITHOUT_SECONDS - (200 if why == "too early" else 0))
    story.away = 600 if why == "away" else 0.0
    story.look(unavailable=1 if why == "broken" else 0)
    assert story.seen.need is Need.UNKNOWN
    assert FactKind.WORKED not in story.kinds
    assert (FactKind.NOTHING_WATCHED in story.kinds) is (why == "nothing watched")


def test_evidence_for_and_against_is_unknown(story: Story) -> None:
    story.refuse(3)
    story.after(WITHOUT_SECONDS).look().permit().refuse()
    story.breaks()
    assert story.seen.need is Need.UNKNOWN
    assert {FactKind.WORKED, FactKind.BROKE} <= {*story.kinds}


def test_what_passes_in_part_shows_nothing(story: Story) -> None:
    """One name of a recipient passes and another does not, as the household decided."""
    story.permit()
    for _ in range(3):
        story.pair.refuse(story.pair.dns, story.version, story.now, 0.0)
        story.pair.permit(story.pair.dns, story.version, story.now)
    story.breaks().after(WITHOUT_SECONDS).look()
    assert story.seen.need is Need.UNKNOWN
    assert story.kinds == [FactKind.PARTLY]
    # A new decision makes it whole, and another one parts it again.
    story.refuse(3)
    assert story.after(WITHOUT_SECONDS).look().seen.need is Need.NOT_NEEDED
    story.permit()
    story.pair.refuse(story.pair.dns, story.version, story.now, 0.0)
    assert story.seen.need is Need.UNKNOWN


# --- Storms ---


def test_a_storm_is_told_once_for_each_time_it_is_refused(story: Story) -> None:
    story.permit(60)
    assert story.refuse(200, every=5).count(True) == 1
    assert story.seen.need is Need.UNKNOWN, "insistence is no need"
    storm = story.pair.storm
    assert storm is not None
    assert storm.figures == {"usual_per_hour": 60.0, "now_per_hour": 300.0}
    assert story.seen.usual_per_hour == 60.0
    assert story.seen.now_per_hour == pytest.approx(720, rel=0.1)
    story.permit(60)
    assert story.refuse(200, every=5).count(True) == 1


def test_without_a_usual_no_storm_is_claimed(story: Story) -> None:
    assert story.refuse(300, every=1).count(True) == 0
    assert story.seen.usual_per_hour is None


# --- The household's word ---


@pytest.mark.parametrize("need", list(Need))
def test_the_households_word_counts_more_and_is_said_to_be_that(story: Story, need: Need) -> None:
    story.permit().refuse()
    story.breaks()
    story.pair.stated = need, story.now
    assert (story.seen.need, story.seen.is_stated) == (need, True)
    assert FactKind.STATED in story.kinds
    assert FactKind.BROKE in story.kinds
    story.pair.stated = None
    assert (story.seen.need, story.seen.is_stated) == (Need.NEEDED, False)


# --- Kept ---


def test_it_is_the_same_after_it_was_kept(story: Story) -> None:
    story.permit(60).refuse(100, every=5)
    story.pair.joins("adlens")
    story.breaks().after(WITHOUT_SECONDS).look().breaks("light.one").back()
    story.pair.stated = Need.NEEDED, story.now
    kept = json.loads(json.dumps(story.pair.kept()))
    again = Pair.recall(kept)
    assert again.kept() == story.pair.kept()
    assert again.assess(story.now, 0.0, 1).evidence == story.seen.evidence
    # What was told is not told again.
    assert again.dns.threshold == 0


@pytest.mark.parametrize("broken", [{}, {"dns": 1}, {"stated": ["maybe", 1]}, {"breaks": [[1]]}])
def test_what_cannot_be_understood_is_an_error(broken: dict[str, object]) -> None:
    kept = Pair().kept() | broken if broken else {}
    with pytest.raises((KeyError, TypeError, ValueError)):
        Pair.recall(kept)
