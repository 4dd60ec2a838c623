"""Texts of prompts and responses in templates."""

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from feedback.models import Guideline, Project
from feedback.queries.guidelines import current_guideline
from feedback.rendering import exact_text, render_document, render_text

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """A text as safe HTML; stands in an element of class ``prose``."""
    return render_text(text)


@register.filter
def document(text: str) -> SafeString:
    """A document of the repository as safe HTML; stands in an element of class ``prose``."""
    return render_document(text)


@register.filter
def exact(text: str) -> SafeString:
    """A text as it is, for a ``pre``."""
    return exact_text(text)


@register.simple_tag
def guideline_of(project: Project) -> Guideline | None:
    """The project's newest guidelines in the reader's language, or in one there is."""
    return current_guideline(project, get_language() or "en")
