"""An annotator at the workspace, without a browser: its page read, its form filled in and sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from feedback.actions.answer_forms import set_answer_form
from feedback.actions.guidelines import mark_read
from feedback.actions.imports import store_records
from feedback.actions.projects import rater_of
from feedback.answers import AnswerForm
from feedback.models import Assignment, Comparison, Criterion, Project, Rater, Rubric
from feedback.records import ComparisonRecord, ResponseRecord


class ItemForm(HTMLParser):
    """What a browser would send of the item's form in this page or fragment, buttons left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.inside = False
        self.text_of: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = found.get("class") == "item"
        if not self.inside or "name" not in found:
            return
        if tag == "textarea":
            self.text_of = found["name"]
            self.sent.append((found["name"], ""))
        elif tag == "input" and (found.get("type") not in ("radio", "checkbox") or "checked" in found):
            self.sent.append((found["name"], found.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self.text_of:
            self.sent[-1] = (self.text_of, self.sent[-1][1] + data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        if tag == "textarea":
            self.text_of = None


def filled_in(html: str) -> dict[str, str]:
    """The item's fields as they are filled in."""
    return dict(ItemForm(html).sent)


def hidden_fields(html: str) -> dict[str, str]:
    """Those that say which item it is."""
    found = filled_in(html)
    return {name: found[name] for name in ("comparison", "submission_id", "shown", "seconds")}


@dataclass(frozen=True)
class Workspace:
    """One person's workspace in one project."""

    client: Client
    project: Project
    user: User

    @property
    def url(self) -> str:
        return reverse("feedback:annotate", args=[self.project.slug])

    @property
    def rater(self) -> Rater:
        return rater_of(project=self.project, user=self.user)

    def page(self) -> str:
        return self.client.get(self.url).content.decode()

    def fields(self) -> dict[str, str]:
        return hidden_fields(self.page())

    def post(self, fields: Mapping[str, Any]) -> Any:
        """The reply to a script that sends the answer."""
        return self.client.post(self.url, fields, headers={"Accept": "application/json"}).json()

    def answer(self, **fields: Any) -> Any:
        return self.post(self.fields() | fields)

    def ask(self, what: str, fields: Mapping[str, Any] | None = None) -> Any:
        url = reverse(f"feedback:annotate-{what}", args=[self.project.slug])
        return self.client.post(url, fields or {}, headers={"Accept": "application/json"})

    def upcoming(self, *held: int | str) -> Any:
        url = reverse("feedback:annotate-next", args=[self.project.slug])
        return self.client.get(url, {"held": ",".join(map(str, held))}).json()

    def show(self, *order: int) -> None:
        """As if the person had been given everything in this order."""
        Assignment.objects.filter(rater=self.rater).update(shown=order)

    def use(self, show_judges: bool = False, **form: Any) -> None:
        set_answer_form(project=self.project, form=AnswerForm(**form), show_judges=show_judges, by=None)


@pytest.fixture
def make_workspace(project, make_user) -> Callable[[str], Workspace]:
    def make(name: str) -> Workspace:
        user = make_user(name, project=project, role="annotator")
        client = Client()
        client.force_login(user)
        mark_read(rater=rater_of(project=project, user=user), version=1)
        return Workspace(client, project, user)

    return make


@pytest.fixture
def workspace(make_workspace) -> Workspace:
    return make_workspace("ana")


@pytest.fixture
def make_comparison(project) -> Callable[..., Comparison]:
    """A comparison of these texts, in this canonical order."""

    def make(texts: Sequence[str], prompt: str = "Which tea?") -> Comparison:
        record = ComparisonRecord(
            prompt=[{"role": "user", "content": prompt}],
            responses=[ResponseRecord(f"r{n}", f"model-{n}", text) for n, text in enumerate(texts)],
            line=1,
        )
        assert not store_records(project=project, records=[record], by=None).rejections
        return project.comparisons.order_by("-pk").first()

    return make


@pytest.fixture
def criteria(project) -> list[Criterion]:
    """A rubric: two criteria that people score, and one for judges alone."""
    rubric = Rubric.objects.create(project=project, name="Tone", sha256="0" * 64)
    rows = [("polite", "both", 1, 5), ("short", "people", 0, 2), ("safe", "judges", 1, 3)]
    return [
        Criterion.objects.create(
            rubric=rubric,
            name=name,
            scored_by=who,
            scale_min=low,
            scale_max=high,
            anchors={str(high): f"as {name} as can be"},
            position=place,
        )
        for place, (name, who, low, high) in enumerate(rows)
    ]
