"""A few comparisons of a project, to try a judge on: by their ids, or drawn from those that fit a filter."""

import random
from collections.abc import Sequence

from feedback.models import Comparison, Project
from feedback.queries.search import SECONDS, ComparisonFilter, comparison_page, last_comparison
from judges.previews import whole_comparisons


def named(project: Project, external_ids: Sequence[str]) -> list[Comparison]:
    """Those of these ids that there are, in the order of the ids."""
    wanted = [external_id.replace("\x00", "") for external_id in external_ids]
    found = {each.external_id: each for each in whole_comparisons(project).filter(external_id__in=wanted)}
    return [found[external_id] for external_id in dict.fromkeys(wanted) if external_id in found]


def drawn(project: Project, count: int, *, q: str = "", tag: str = "") -> list[Comparison]:
    """At most ``count`` that fit, each the next one after a place drawn at random; fewer where fewer were met.

    So a text that is nowhere costs one search that is cut off, and a project of a million is not read.
    """
    wanted, last = ComparisonFilter(q=q, tag=tag), last_comparison(project)
    found: dict[int, None] = {}
    for _draw in range(2 * count):
        if len(found) == count:
            break
        after = random.randrange(last + 1)
        page = comparison_page(project, wanted, after=after, seconds=SECONDS / count).rows
        page = page or comparison_page(project, wanted, seconds=SECONDS / count).rows
        if not page:
            break
        new = [row.pk for row in page if row.pk not in found]
        found |= dict.fromkeys(new[:1])
    return list(whole_comparisons(project).filter(pk__in=found))
