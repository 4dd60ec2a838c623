"""axe-core, of the version in ``vendor/``, in a page."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.0.min.js").read_text()
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# What passes is neither described nor sent here: that takes most of the time.
_RUN = "async (rules) => (await axe.run(document, {runOnly: rules, resultTypes: ['violations']})).violations"


def findings(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """What axe-core finds by the rules of WCAG 2.2 AA and good practice, or by these alone: the rule and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(_RUN, list(rules) or STANDARDS)
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]
    ]
