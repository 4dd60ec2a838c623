"""Reads of comparisons: their texts and their tags."""

from feedback.models import Assignment, Comparison, Project, Prompt, Rater
from feedback.statements import objects, rows

_COMPARISON = "SELECT * FROM feedback_comparison WHERE id = %s"
_PROMPT = "SELECT * FROM feedback_prompt WHERE id = %s"
_TEXTS = """
SELECT r.text FROM feedback_slot s JOIN feedback_response r ON r.id = s.response_id
WHERE s.comparison_id = %s ORDER BY s.position
"""


def response_texts(comparison: Comparison) -> list[str]:
    """The texts of a comparison's responses in canonical order, without where they come from."""
    return [text for (text,) in rows(_TEXTS, [comparison.pk])]


def load_comparison(assignment: Assignment, rater: Rater) -> None:
    """Read a person's assignment's comparison; whose it is and in which project is known."""
    assignment.rater = rater
    (assignment.comparison,) = objects(Comparison, _COMPARISON, [assignment.comparison_id])
    assignment.comparison.project = rater.project


def load_prompt(comparison: Comparison) -> None:
    (comparison.prompt,) = objects(Prompt, _PROMPT, [comparison.prompt_id])


def tags_by_comparison(project: Project) -> dict[int, tuple[str, ...]]:
    """The tags of each comparison that has any, sorted."""
    found: dict[int, list[str]] = {}
    tagged = Comparison.tags.through.objects.filter(comparison__project=project).order_by("tag__name")
    for comparison_id, name in tagged.values_list("comparison_id", "tag__name").iterator():
        found.setdefault(comparison_id, []).append(name)
    return {comparison_id: tuple(names) for comparison_id, names in found.items()}
