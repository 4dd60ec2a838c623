"""What policies decided on a comparison, on the comparison's own page, which this room's models are no part of."""

from django import template

from alignment.models import Label
from feedback.models import Comparison

register = template.Library()


@register.simple_tag
def labels_of(comparison: Comparison) -> list[Label]:
    """The labels of every policy on this comparison, the newest policy's first."""
    return list(comparison.labels.select_related("policy").order_by("-policy_id"))
