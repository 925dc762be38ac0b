"""The tests would notice what they say that no page does."""

import pytest

from tests.integration.processes import Worker
from tests.ui.conftest import Browsing
from tests.ui.series import Shown, named

pytestmark = pytest.mark.ui


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('oh')", "error: oh"),
        ("setTimeout(() => { throw new Error('oh') })", "oh"),
        ("alert('oh')", "a dialog: oh"),
        ("new Image().src = 'http://other.invalid/'", "another host"),
        (
            "document.body.insertAdjacentHTML('beforeend', '<p onclick=\"oh()\">')",
            "Policy",
        ),
        ("document.body.insertAdjacentHTML('beforeend', '<p style=\"top:0\">')", "Policy"),
    ],
)
def test_what_goes_wrong_in_a_page(
    company: Worker, browse: Browsing, script: str, said: str
) -> None:
    with pytest.raises(AssertionError, match=said), browse(company.address) as page:  # noqa: PT012
        page.goto("/")
        page.evaluate(f"{{ {script} }}")
        # What was begun before this frame has happened after it.
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("1,234", 1234.0, True),
        ("1,234", 1235.0, False),
        ("56.5 %", 0.56482, True),
        ("56.5 %", 0.5656, False),
        ("2.6 d", 224_640.0, True),
        ("2.6 h", 224_640.0, False),
        ("120 ms", 0.1204, True),
        ("–", 1.0, False),
        ("-3.0 %", -0.0301, True),
    ],
)
def test_what_is_written_wrong(text: str, value: float, right: bool) -> None:
    series = named('funnel_leads{pipeline="a \\"b\\" \\\\ \\n"}')
    assert series == ("funnel_leads", frozenset({("pipeline", 'a "b" \\ \n')}))
    assert Shown(series, value, text).is_written_right() == right
