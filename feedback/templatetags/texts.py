"""Texts of prompts and responses in templates."""

from django import template
from django.utils.safestring import SafeString

from feedback.rendering import render_text

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """A text as safe HTML; stands in an element of class ``prose``."""
    return render_text(text)
