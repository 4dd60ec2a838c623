"""What whoever writes the guidelines fills in."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from feedback.models import Doubt
from feedback.queries.guidelines import known_languages, language_name
from feedback.rendering import LONGEST_RENDERED, render_text

_TEXT = "text_"


class GuidelineForm(forms.Form):
    """One text a language, what changed, and the doubts that it answers. An empty text is left out of the version."""

    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    change = forms.CharField(
        max_length=300,
        required=False,
        label=_("What changed"),
        help_text=_("One sentence; everybody sees it before the text."),
    )
    must_be_read = forms.BooleanField(
        required=False,
        label=_("Everybody must read it before going on"),
        help_text=_("Leave it off only for a correction that changes nobody's answers."),
    )
    settles = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def __init__(self, languages: Iterable[str], doubts: Iterable[Doubt], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.languages = list(languages)
        for code in self.languages:
            self.fields[_TEXT + code] = forms.CharField(
                required=False, max_length=LONGEST_RENDERED, label=language_name(code)
            )
        settles = self.fields["settles"]
        assert isinstance(settles, forms.TypedMultipleChoiceField)  # noqa: S101  declared above
        settles.choices = [(str(doubt.pk), str(doubt)) for doubt in doubts]

    @property
    def texts(self) -> dict[str, str]:
        """What was written, by language code."""
        written = {code: self.cleaned_data[_TEXT + code] for code in self.languages}
        return {code: text for code, text in written.items() if text}

    @property
    def editors(self) -> list[dict[str, Any]]:
        """Each language's field with its preview."""
        fields = [(code, self[_TEXT + code]) for code in self.languages]
        return [
            {
                "code": code,
                "name": language_name(code),
                "field": field,
                "preview": render_text(field.value() or ""),
            }
            for code, field in fields
        ]


def languages_sent(data: QueryDict) -> list[str]:
    """The languages that a form came with, and the one to add; codes that are none are left out."""
    known = {code for code, _name in known_languages()}
    sent = [name.removeprefix(_TEXT) for name in data if name.startswith(_TEXT)]
    return [code for code in dict.fromkeys([*sent, data.get("add", "")]) if code in known]


def initial_of(version: int, texts: Mapping[str, str]) -> dict[str, Any]:
    """The form for the version after this one."""
    return {"version": version, "must_be_read": True, **{_TEXT + code: text for code, text in texts.items()}}


def text_of(data: QueryDict, language: str) -> str:
    """One language's text as it stands in the form."""
    return data.get(_TEXT + language, "").replace("\x00", "")[:LONGEST_RENDERED]
