"""Cases about deals that are over."""

from tests.cases import case
from tests.funnels import figure


def test_32_an_export_that_begins_with_the_newest_makes_no_phantom() -> None:
    found = case("32-newest-first")
    window = {"window": "365d"}
    assert figure(found, "funnel_leads", **window) == 1
    assert [
        figure(found, "funnel_open_deals", None, stage=stage)
        for stage in ("lead", "qualified", "potential", "offer", "negotiation")
    ] == [1, 0, 0, 0, 0]
    assert found.counts["expired_dropped"] == 0
    assert found.counts["accepted"] == 4
