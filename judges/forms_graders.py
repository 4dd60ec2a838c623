"""What an engineer fills in to write a grader; its values are the settings of the provider ``grader``."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from feedback.models import Project
from judges.core.graders.examples import EXAMPLES
from judges.forms import PrettyJson, StrictJson

JSON_BOX = {"class": "mono", "spellcheck": "false"}


class OptionalJson(StrictJson):
    """Nothing is shown as nothing."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class GraderForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("Verdicts are shown under this name."), required=False
    )
    grader = StrictJson(
        label=_("Grader"),
        widget=forms.Textarea(attrs=JSON_BOX | {"rows": 22}),
        encoder=PrettyJson,
        help_text=_(
            "JSON. {{sample.output_text}} is a response; {{item.reference}} is the prompt's reference answer, "
            "{{item.NAME}} a field of the comparison's metadata, {{item.prompt}} the conversation."
        ),
    )
    margin = forms.FloatField(
        label=_("Tie margin"),
        min_value=0,
        initial=0,
        help_text=_("Rewards that differ by no more than this are a tie."),
    )
    models = OptionalJson(
        label=_("Models"),
        required=False,
        widget=forms.Textarea(
            attrs=JSON_BOX | {"rows": 3, "placeholder": '{"provider": "openai", "settings": {}}'}
        ),
        encoder=PrettyJson,
        help_text=_(
            "Only for graders that ask a model: the provider, anthropic or openai, and its settings."
        ),
    )
    embeddings = OptionalJson(
        label=_("Embeddings"),
        required=False,
        widget=forms.Textarea(attrs=JSON_BOX | {"rows": 2, "placeholder": '{"base_url": "…", "model": "…"}'}),
        encoder=PrettyJson,
        help_text=_("Only for the metric cosine: a server that speaks OpenAI's API, and its model."),
    )

    def __init__(self, *args: Any, project: Project, kind: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = EXAMPLES.get(kind, EXAMPLES["string_check"]).document
        self.initial.update(grader=chosen, name=chosen["name"])
        self.fields["tag"] = forms.ModelChoiceField(
            queryset=project.tags.all(),
            required=False,
            empty_label=_("All comparisons"),
            label=_("Try it on"),
            help_text=_("The first comparisons with this tag."),
        )

    def settings(self) -> dict[str, Any]:
        """As the provider takes them; what was left empty is left out."""
        given = {name: self.cleaned_data[name] for name in ("grader", "margin", "models", "embeddings")}
        return {name: value for name, value in given.items() if value not in (None, "", {})}
