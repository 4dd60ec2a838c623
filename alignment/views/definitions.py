"""What every statistic is: the document that the repository keeps, as a page that charts lead to."""

import re
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from feedback.permissions import Permission, project_for

DOCUMENT = settings.BASE_DIR / "docs" / "statistics.md"
_FILE = re.compile(r"\s*\(`.*`\)")


class Section(NamedTuple):
    """One section of the document, in Markdown; ``anchor`` is made from its title without the file's name."""

    anchor: str
    title: str
    text: str


@require_GET
def definitions(request: HttpRequest, slug: str) -> HttpResponse:
    """The document, section by section, each under its anchor."""
    project = project_for(request.user, slug, Permission.REVIEW)
    if not DOCUMENT.exists():
        raise Http404("docs/statistics.md is not installed on this server; it is in the repository.")
    context = {"project": project, "tab": "definitions", "sections": sections()}
    return render(request, "alignment/agreement_definitions.html", context)


@lru_cache(maxsize=1)
def sections() -> list[Section]:
    """The sections of the document."""
    _, *parts = DOCUMENT.read_text(encoding="utf-8").split("\n## ")
    return [_section(*part.split("\n", 1)) for part in parts]


def _section(heading: str, text: str) -> Section:
    title = _FILE.sub("", heading).strip()
    return Section(slugify(title), title, text)
