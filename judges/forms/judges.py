"""A judge as it is configured: whom it asks, by which rubric, in which mode, in what words, at which price."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from feedback.models import Project, Rubric
from judges.core.configuration import (
    MOST_EXAMPLES,
    MOST_RETRIES,
    MOST_SAMPLES,
    Configuration,
)
from judges.core.providers.settings import EFFORTS
from judges.core.rendering import BEST_OF_N, PAIRWISE, PASS_FAIL, SCORES, Example
from judges.forms.fields import PrettyJson, StrictJson

RULES_EXAMPLE = {
    "rules": [{"pattern": "(?i)sorry", "weight": 1.0, "when": "late|broken"}],
    "length_weight": 0.0,
    "noise": 0.0,
    "margin": 0.1,
}
PROVIDERS = (
    ("anthropic", "Anthropic"),
    ("openai", gettext_lazy("OpenAI, or a server that speaks its language")),
    ("rules", gettext_lazy("Rules: offline and free")),
    ("grader", gettext_lazy("Grader: a program checks")),
)
MODELS = ("anthropic", "openai")  # the providers that ask a language model
MODES = (
    (PAIRWISE, gettext_lazy("Which of two is better; more are asked in pairs")),
    (SCORES, gettext_lazy("Scores of each response, turned into a ranking")),
    (BEST_OF_N, gettext_lazy("The best of all")),
    (PASS_FAIL, gettext_lazy("Pass or fail, each response alone")),
)
PRICED = ("input", "output", "cache_read", "cache_write_5m")
# What of a provider's settings has a field of its own; the rest is written as JSON.
OWN_FIELDS = ("base_url", "effort", "max_tokens")


def _dollars(label: Any) -> forms.DecimalField:
    return forms.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=6,
        label=label,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


class JudgeForm(forms.Form):
    """The fields of ``judges.core.configuration.Configuration``, a name, a rubric and a budget for all versions.

    ``examples`` to choose from are given by the id of their comparison; those that the judge has stay as it has them.
    """

    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Verdicts are shown under this name."),
    )
    provider = forms.ChoiceField(choices=PROVIDERS, label=gettext_lazy("Provider"))
    model = forms.CharField(
        required=False,
        max_length=100,
        label=gettext_lazy("Model"),
        widget=forms.TextInput(attrs={"list": "known-models", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("As the provider calls it. Those with a known price are suggested."),
    )
    base_url = forms.CharField(
        required=False,
        max_length=500,
        label=gettext_lazy("Server"),
        help_text=gettext_lazy(
            "For vLLM, Ollama and the like, such as http://localhost:8000/v1. Empty: the provider's own."
        ),
    )
    family = forms.CharField(
        required=False,
        max_length=60,
        label=gettext_lazy("Family"),
        help_text=gettext_lazy(
            "Who made the model. Judges of one family err together: a panel counts them as fewer."
        ),
    )
    rubric = forms.ModelChoiceField(queryset=Rubric.objects.none(), label=gettext_lazy("Rubric"))
    mode = forms.ChoiceField(choices=MODES, label=gettext_lazy("What it is asked"))
    tie_margin = forms.FloatField(
        required=False,
        min_value=0,
        label=gettext_lazy("Tie margin"),
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy(
            "Weighted means that differ by no more are a tie, in the units of the levels."
        ),
    )
    both_orders = forms.BooleanField(
        required=False,
        label=gettext_lazy("Ask in both orders"),
        help_text=gettext_lazy("Verdicts that disagree count as inconsistent, never as a tie."),
    )
    samples = forms.IntegerField(
        min_value=1,
        max_value=MOST_SAMPLES,
        label=gettext_lazy("Samples of each order"),
        help_text=gettext_lazy("More than half of them must say the same."),
    )
    parse_retries = forms.IntegerField(
        min_value=0,
        max_value=MOST_RETRIES,
        label=gettext_lazy("Times to ask again"),
        help_text=gettext_lazy("Where a reply can not be read. What is still unreadable then stays so."),
    )
    use_reference = forms.BooleanField(
        required=False,
        label=gettext_lazy("Show the reference answer"),
        help_text=gettext_lazy("Where the prompt has one."),
    )
    examples = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Examples"),
        help_text=gettext_lazy(
            "Comparisons that a reviewer has decided, shown with the answer, save for the prompt that is asked about."
        ),
    )
    system_template = forms.CharField(
        required=False,
        strip=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 7, "class": "mono", "spellcheck": "false"}),
        label=gettext_lazy("System text"),
        help_text=gettext_lazy("Empty: ours. Slots are filled by joining, so no text can open another."),
    )
    message_template = forms.CharField(
        required=False,
        strip=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "class": "mono", "spellcheck": "false"}),
        label=gettext_lazy("Message"),
        help_text=gettext_lazy("Empty: ours. It is what changes from comparison to comparison."),
    )
    effort = forms.ChoiceField(
        required=False,
        choices=[("", gettext_lazy("the provider's default")), *((name, name) for name in EFFORTS)],
        label=gettext_lazy("Effort"),
    )
    max_tokens = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=128_000,
        label=gettext_lazy("Most tokens of a reply"),
        help_text=gettext_lazy("Thinking included; empty: 8192. An estimate's worst case goes by it."),
    )
    settings = StrictJson(
        required=False,
        label=gettext_lazy("Other settings"),
        widget=forms.Textarea(attrs={"rows": 10, "class": "mono", "spellcheck": "false"}),
        encoder=PrettyJson,
        help_text=gettext_lazy(
            "JSON. A rule adds its weight where its pattern (RE2’s) is in a response and its “when” in the question."
        ),
    )
    price_input = _dollars(gettext_lazy("Prompt"))
    price_output = _dollars(gettext_lazy("Reply"))
    price_cache_read = _dollars(gettext_lazy("Read from cache"))
    price_cache_write_5m = _dollars(gettext_lazy("Written to cache"))
    budget = _dollars(gettext_lazy("Budget of this judge, in dollars"))

    def __init__(
        self,
        *args: Any,
        project: Project,
        given: Iterable[Example],
        decided: Mapping[str, str],
        fixed: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.given = {example.comparison: example for example in given}
        self.fields["rubric"].queryset = project.rubrics.order_by("name", "-version")  # type: ignore[attr-defined]
        named = dict.fromkeys([*self.given, *decided])
        self.fields["examples"].choices = [(key, decided.get(key, key)) for key in named]  # type: ignore[attr-defined]
        self.fields["name"].disabled = bool(fixed)
        self.use_required_attribute = False

    def clean_settings(self) -> dict[str, Any]:
        settings = self.cleaned_data["settings"]
        if settings is None:
            return {}
        if not isinstance(settings, dict):
            raise forms.ValidationError(_('Write one JSON object, such as {"rules": []}.'))
        twice = sorted(set(settings) & set(OWN_FIELDS)) if self.data.get("provider") in MODELS else []
        if twice:
            raise forms.ValidationError(
                _("%(name)s has a field of its own; leave it out here.") % {"name": twice[0]}
            )
        return settings

    def clean_examples(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["examples"]
        if len(chosen) > MOST_EXAMPLES:
            raise forms.ValidationError(_("Choose at most %(most)d examples.") % {"most": MOST_EXAMPLES})
        return chosen

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("provider") in MODELS and not cleaned.get("model"):
            self.add_error("model", _("Name the model to ask."))
        return cleaned

    def new_examples(self) -> list[str]:
        """The chosen examples that the judge does not have yet, by the id of their comparison."""
        return [key for key in self.cleaned_data["examples"] if key not in self.given]

    def field_of(self, name: str | None) -> str | None:
        """The form's field for the action's, None where it has none of this name."""
        known = {"price": "price_input", "base_url": "base_url"}.get(name or "", name)
        return known if known in self.fields else None

    def configuration(self, examples: Mapping[str, Example]) -> Configuration:
        """What was filled in; ``examples`` holds those that were newly chosen, by the id of their comparison."""
        said = self.cleaned_data
        asks_a_model = said["provider"] in MODELS
        known = {**examples, **self.given}
        return Configuration(
            provider=said["provider"],
            model=said["model"] if asks_a_model else said["provider"],
            settings=said["settings"] | (self._own_settings() if asks_a_model else {}),
            family=said["family"],
            mode=said["mode"],
            both_orders=said["both_orders"],
            samples=said["samples"],
            tie_margin=(said["tie_margin"] or 0.0) if said["mode"] == SCORES else 0.0,
            use_reference=said["use_reference"],
            system_template=said["system_template"].replace("\r\n", "\n"),
            message_template=said["message_template"].replace("\r\n", "\n"),
            examples=tuple(known[key] for key in said["examples"]),
            parse_retries=said["parse_retries"],
            price=self._price() if asks_a_model else None,
        )

    def _own_settings(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in OWN_FIELDS if self.cleaned_data[name]}

    def _price(self) -> dict[str, str] | None:
        given = {kind: self.cleaned_data[f"price_{kind}"] for kind in PRICED}
        return {kind: f"{value:f}" for kind, value in given.items() if value is not None} or None


def initial_of(configuration: Configuration) -> dict[str, Any]:
    """A configuration as the form shows it."""
    values = asdict(replace(configuration, examples=()))
    settings = dict(configuration.settings)
    own = {name: settings.pop(name, "") for name in OWN_FIELDS} if configuration.provider in MODELS else {}
    price = {f"price_{kind}": value for kind, value in (configuration.price or {}).items()}
    chosen = [example.comparison for example in configuration.examples]
    return {**values, **own, **price, "settings": settings, "examples": chosen}
