"""What a judge that is only being configured would be asked."""

from collections.abc import Sequence
from typing import NamedTuple

import yaml
from django.db.models import QuerySet

from feedback.models import Comparison, Project, Rubric
from judges.core.configuration import BadConfiguration, Configuration, check_configuration
from judges.core.providers import BadSettings, provider_for
from judges.core.rendering import requests_for
from judges.models import Judge
from judges.prompts import Shown, shown
from judges.queries import criteria_of, judge_document


class Preview(NamedTuple):
    """``problem`` says why no judge can be made of this; ``requests`` are those about one comparison."""

    problem: str
    requests: Sequence[Shown]


def preview_of(configuration: Configuration, rubric: Rubric, comparison: Comparison | None) -> Preview:
    criteria = criteria_of(rubric)
    try:
        check_configuration(configuration, criteria)
        provider_for(configuration.provider, configuration.settings)
    except (BadConfiguration, BadSettings) as bad:
        return Preview(str(bad), ())
    if comparison is None:
        return Preview("", ())
    requests = requests_for(
        configuration.text(rubric.instructions, criteria),
        comparison.prompt.messages,
        [slot.response.text for slot in comparison.slots.all()],
        seed=comparison.content_sha256,
        reference=comparison.prompt.reference,
    )
    return Preview("", [shown(request) for request in requests])


def comparison_to_show(project: Project, external_id: str) -> Comparison | None:
    """The comparison of this id in the project, else the first that there is."""
    found = whole_comparisons(project)
    asked = found.filter(external_id=external_id.replace("\x00", "")).first() if external_id else None
    return asked or found.order_by("pk").first()


def whole_comparisons(project: Project) -> QuerySet[Comparison]:
    """Comparisons with all that goes into a request."""
    return project.comparisons.select_related("prompt").prefetch_related("slots__response")


def judge_yaml(judge: Judge) -> str:
    """A judge's version as lines, to be compared with those of another."""
    return str(yaml.safe_dump(judge_document(judge), sort_keys=False, allow_unicode=True, width=100))
