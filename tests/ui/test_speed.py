"""How soon a page with much behind it is there.

The company of the other tests has more than 10,000 series on ``/metrics``: several pipelines, and
breakdowns by five dimensions. It is a worker as it is run, with its state, so that the page has to
share the interpreter with the stream.
"""

from statistics import median

import pytest

from tests.integration.processes import Worker
from tests.ui.conftest import Browsing, Tell
from tests.ui.paint import allowed, first_paints, paints_alone

pytestmark = [pytest.mark.ui, pytest.mark.promise]

SERIES = 10_000
MOST_TO_PAINT = 1.0


@pytest.mark.parametrize("address", ["/", "/?window=365d&dimension=channel%2Bproduct"])
def test_ten_thousand_series(company: Worker, browse: Browsing, tell: Tell, address: str) -> None:
    status, text = company.get("/metrics")
    assert status == 200
    series = sum(not line.startswith("#") for line in text.splitlines())
    assert series >= SERIES
    with browse(company.address) as page:
        paints, alone = first_paints(page, address), median(paints_alone(page, address))
    tell(
        f"first paint of {address} with {series:,} series behind it: median {median(paints):.2f} s,"
        f" at most {max(paints):.2f} s; {alone:.2f} s of it the browser's own"
    )
    assert median(paints) <= allowed(MOST_TO_PAINT, alone)
