"""What engineers and owners fill in about models: checks, approvals, pushes, comparisons, new responses and rounds."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from alignment.models import Snapshot
from feedback.models import Project
from trainer.actions.generating import MOST_SAMPLES, PROVIDERS
from trainer.models import Evaluation, ModelKind, ModelVersion
from trainer.queries import best_version
from trainer.sampling import how_to_answer


class CheckForm(forms.Form):
    """Whose held-out labels a reward model is checked on."""

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["snapshot"] = forms.ModelChoiceField(
            queryset=Snapshot.objects.filter(project=project, test_rows__gt=0),
            required=False,
            empty_label=_("the one it was trained on"),
            label=_("Snapshot"),
        )


class ApprovalForm(forms.Form):
    """What an approval rests on, and why where that speaks against it."""

    reason = forms.CharField(
        required=False,
        max_length=2000,
        label=_("Reason"),
        help_text=_("Needed where its regression set got worse; it stays in the audit trail."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, version: ModelVersion, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["evaluation"] = forms.ModelChoiceField(
            queryset=Evaluation.objects.filter(model_version=version)
            .exclude(result=None)
            .select_related("model_version", "base"),
            empty_label=None,
            label=_("Evaluation"),
        )
        self.order_fields(["evaluation", "reason"])


class PushForm(forms.Form):
    """Where on the hub, and who may see it."""

    repository = forms.CharField(
        max_length=200,
        label=_("Repository"),
        widget=forms.TextInput(attrs={"placeholder": "owner/name", "autocomplete": "off"}),
    )
    private = forms.BooleanField(required=False, initial=True, label=_("Private"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


class CompareForm(forms.Form):
    """Which versions stand in one table, against whom, and what an hour of training costs."""

    per_hour = forms.FloatField(
        required=False, min_value=0, max_value=10_000, label=_("Price of an hour of training")
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        versions = ModelVersion.objects.filter(project=project, kind=ModelKind.POLICY)
        self.fields["versions"] = forms.ModelMultipleChoiceField(
            queryset=versions, required=False, label=_("Versions"), widget=forms.CheckboxSelectMultiple
        )
        self.fields["base"] = forms.ModelChoiceField(
            queryset=versions.filter(evaluations_as_base__result__isnull=False).distinct(),
            required=False,
            empty_label=_("whoever each was last evaluated against"),
            label=_("Against"),
        )
        self.order_fields(["versions", "base", "per_hour"])


class GenerationForm(forms.Form):
    """Who writes new responses, to which prompts, and how many."""

    provider = forms.ChoiceField(
        choices=[("", "–"), *((name, name) for name in PROVIDERS)], required=False, label=_("Or a provider")
    )
    model = forms.CharField(max_length=200, required=False, label=_("The provider's model"))
    base_url = forms.CharField(
        max_length=500,
        required=False,
        label=_("Its server"),
        help_text=_("Left empty, the provider's own; else one that speaks the same API."),
    )
    max_tokens = forms.IntegerField(
        min_value=1, max_value=100_000, initial=512, label=_("Tokens a response at most")
    )
    temperature = forms.FloatField(
        min_value=0,
        max_value=2,
        initial=1,
        label=_("Temperature"),
        help_text=_("Of a model version, and of servers that speak OpenAI's API."),
    )
    samples = forms.IntegerField(
        min_value=1,
        max_value=MOST_SAMPLES,
        initial=2,
        label=_("Responses a prompt"),
        help_text=_("Two and two are compared; a single one with the newest from elsewhere."),
    )
    most_prompts = forms.IntegerField(
        min_value=1,
        max_value=10_000_000,
        required=False,
        label=_("Prompts at most"),
        help_text=_("Drawn at random; left empty, all of them."),
    )
    budget = forms.DecimalField(
        min_value=0, max_digits=12, decimal_places=6, required=False, label=_("Dollars at most")
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["model_version"] = forms.ModelChoiceField(
            queryset=ModelVersion.objects.filter(project=project, kind=ModelKind.POLICY).select_related(
                "project"
            ),
            required=False,
            empty_label="–",
            label=_("A model version"),
        )
        self.fields["tag"] = forms.ModelChoiceField(
            queryset=project.tags.all(), required=False, empty_label=_("All"), label=_("Prompts of")
        )
        self.order_fields(
            ["model_version", "provider", "model", "base_url", "tag", "most_prompts", "samples"]
        )
        self.initial["model_version"] = best_version(project)

    def values(self) -> dict[str, Any]:
        """The arguments of ``start_generation``, but for the project and who starts it."""
        given = dict(self.cleaned_data)
        answers = {name: given.pop(name) for name in ("base_url", "max_tokens", "temperature")}
        asked = given | how_to_answer(given["provider"], **answers)
        return asked | {"model_version": None} if given["provider"] else asked


class RoundForm(GenerationForm):
    """The same for a round, with how many comparisons people get at most."""

    most_routed = forms.IntegerField(
        min_value=0,
        max_value=10_000_000,
        required=False,
        label=_("Comparisons for people at most"),
        help_text=_("The policy's most doubtful first; left empty, all that it routes."),
    )
