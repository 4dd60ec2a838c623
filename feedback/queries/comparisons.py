"""Reads of comparisons: their texts and their tags."""

from feedback.models import (
    Comparison,
    Project,
)


def response_texts(comparison: Comparison) -> list[str]:
    """The texts of a comparison's responses in canonical order, without where they come from."""
    return list(comparison.slots.order_by("position").values_list("response__text", flat=True))


def tags_by_comparison(project: Project) -> dict[int, tuple[str, ...]]:
    """The tags of each comparison that has any, sorted."""
    found: dict[int, list[str]] = {}
    rows = Comparison.tags.through.objects.filter(comparison__project=project)
    for comparison_id, name in (
        rows.order_by("tag__name").values_list("comparison_id", "tag__name").iterator()
    ):
        found.setdefault(comparison_id, []).append(name)
    return {comparison_id: tuple(names) for comparison_id, names in found.items()}
