"""What engineers fill in to train and to evaluate; each form hands its values to one action."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from django import forms
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from alignment.models import Snapshot
from feedback.actions.slots import MOST_PEOPLE
from feedback.models import Project, Tag
from judges.models import Judge
from judges.queries import judges_of
from trainer.alarms import ALARMS
from trainer.launchers.registry import launcher_names
from trainer.methods import PARAMETERS, SELDOM_CHANGED, Parameter
from trainer.models import ModelKind, ModelVersion, Run
from trainer.queries import base_named, trusted_judges
from trainer.search_fields import like_search, search_fields, taken_search
from trainer.spec import RunSpec

SEED_HELP = gettext_lazy("The same seed, spec and machine give the same result.")


def alarm_choices() -> list[tuple[str, str]]:
    return [(name, gettext(alarm.title)) for name, alarm in ALARMS.items()]


def launcher_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in launcher_names()]


class NumberList(forms.CharField):
    """Numbers between commas; empty is an empty list."""

    def clean(self, value: Any) -> list[float]:
        try:
            return [float(part) for part in super().clean(value).split(",") if part.strip()]
        except ValueError as error:
            raise forms.ValidationError(
                gettext("Give numbers with commas between them, such as 1, 0.5.")
            ) from error


class JSONList(forms.JSONField):
    """A list as JSON; empty where nothing is given."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value) or []


class TextList(forms.CharField):
    """Texts between commas; empty is an empty list."""

    def clean(self, value: Any) -> list[str]:
        return [part.strip() for part in super().clean(value).split(",") if part.strip()]


class Group(NamedTuple):
    """Fields under one title; those of a group that is not open are shown on demand."""

    title: str
    fields: list[forms.BoundField]
    is_open: bool


class RunForm(forms.Form):
    """A run of one method: what it trains, what on, and every parameter with its default."""

    name = forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("The model's name too; left out, it is made up."),
    )
    snapshot = forms.ModelChoiceField(
        Snapshot.objects.none(),
        empty_label=None,
        label=gettext_lazy("Snapshot"),
        help_text=gettext_lazy("The labels it learns from, frozen."),
    )
    base = forms.CharField(
        max_length=1000,
        label=gettext_lazy("Base model"),
        help_text=gettext_lazy(
            "A model version of this project, or the path of a model folder on the server."
        ),
        widget=forms.TextInput(attrs={"list": "bases", "autocomplete": "off"}),
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**32 - 1, label=gettext_lazy("Seed"), initial=0, help_text=SEED_HELP
    )

    launcher = forms.ChoiceField(
        label=gettext_lazy("Launcher"),
        help_text=gettext_lazy("Where it trains."),
        choices=launcher_choices,
        required=False,
        initial="local",
    )
    hours = forms.FloatField(
        label=gettext_lazy("At most, in hours"),
        required=False,
        min_value=0,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy("Then it saves a checkpoint and stops; empty is no cap."),
    )
    cost = forms.FloatField(
        label=gettext_lazy("At most, in money"),
        required=False,
        min_value=0,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=gettext_lazy("At the launcher's price of an hour."),
    )
    stop_on = forms.MultipleChoiceField(
        label=gettext_lazy("Stop on these alarms"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Each saves a checkpoint first. All alarms are shown, also where it goes on."),
        choices=alarm_choices,
    )
    confirm = forms.BooleanField(
        label=gettext_lazy("Start it although it may cost more than its budget"), required=False
    )

    def __init__(self, project: Project, method: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.project, self.method = project, method
        # It chooses a model.
        self.fields["snapshot"].queryset = Snapshot.objects.filter(project=project)  # type: ignore[attr-defined]
        self.fields |= parameter_fields(method) | search_fields()
        if not self.data:  # asked for only where a budget is too small
            self.fields["confirm"].widget = forms.HiddenInput()

    def groups(self) -> list[Group]:
        """What is trained, the method's parameters, its limits, a search, and last what few runs change."""
        placed = dict.fromkeys(("hours", "cost", "stop_on", "confirm"), "limits")
        placed |= {f"parameters.{name}": "seldom" for name in SELDOM_CHANGED}
        grouped: dict[str, list[forms.BoundField]] = {
            name: [] for name in ("run", "parameters", "limits", "search", "seldom")
        }
        for field in self.visible_fields():
            group = placed.get(field.name) or field.name.rpartition(".")[0] or "run"
            grouped[group].append(field)
        return [
            Group(gettext("The run"), grouped["run"], True),
            Group(gettext("What matters most"), grouped["parameters"], True),
            Group(gettext("Limits"), grouped["limits"], True),
            Group(
                gettext("Search over ranges of parameters"), grouped["search"], _changed(grouped["search"])
            ),
            Group(gettext("What few runs change"), grouped["seldom"], _changed(grouped["seldom"])),
        ]

    def asked(self) -> dict[str, Any]:
        """The fields of a spec file, as JSON has them."""
        values = self.values()
        del values["project"], values["confirm"]
        return {**values, "base": self.cleaned_data["base"], "snapshot": values["snapshot"].sha256}

    def values(self) -> dict[str, Any]:
        """The arguments of ``start_run``, but for who starts it."""
        given = dict(self.cleaned_data)
        parameters = _parameters(given)
        base = base_named(self.project, given.pop("base"))
        given["launcher"] = given["launcher"] or "local"
        budget = {name: given.pop(name) for name in ("hours", "cost")}
        searched = taken_search(given)
        return {
            "project": self.project,
            "method": self.method,
            "base": base,
            "parameters": parameters,
            "budget": budget,
            "search": searched,
            **given,
        }


def _changed(fields: Iterable[forms.BoundField]) -> bool:
    return any(field.errors or field.initial != field.field.initial for field in fields)


def like_run(run: Run, trial: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a form of the run's method begins with so that it asks for the same run again.

    With the parameters of a ``trial`` of a search: for that one training.
    """
    spec = RunSpec.from_json(run.spec)
    return {
        "snapshot": run.snapshot_id,
        "base": run.base.name if run.base else spec.model,
        "seed": spec.seed,
        "launcher": run.launcher,
        "stop_on": spec.stop_on,
        "hours": spec.budget["hours"],
        "cost": spec.budget["cost"],
        **_like_parameters(spec.method, {**spec.parameters, **(trial or {})}),
        **like_search(None if trial else spec.search),
    }


def like_asked(project: Project, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a form begins with so that it asks for the same as a spec file with these fields."""
    parameters = _like_parameters(asked["method"], asked.get("parameters") or {})
    snapshot = Snapshot.objects.filter(project=project, sha256=asked.get("snapshot", "")).first()
    searched = like_search(asked.get("search"))
    return {
        **asked,
        **(asked.get("budget") or {}),
        **parameters,
        **searched,
        "snapshot": snapshot and snapshot.pk,
    }


def _like_parameters(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of parameters as a form begins with them."""
    fields = [replace(each, default=values.get(each.name, each.default)) for each in PARAMETERS[method]]
    return {f"parameters.{each.name}": _field(each).initial for each in fields}


class BudgetForm(forms.Form):
    """A larger budget for a run that goes on."""

    hours = forms.FloatField(required=False, min_value=0)
    cost = forms.FloatField(required=False, min_value=0)


class EvaluationForm(forms.Form):
    """A model version against a base, the prompts they answer, and who decides."""

    base = forms.ModelChoiceField(
        ModelVersion.objects.none(),
        empty_label=None,
        label=gettext_lazy("Base model"),
        help_text=gettext_lazy("What it is compared with."),
    )
    snapshot = forms.ModelChoiceField(
        Snapshot.objects.none(),
        empty_label=None,
        label=gettext_lazy("Snapshot"),
        help_text=gettext_lazy("Both answer its held-out prompts."),
    )
    judges = forms.ModelMultipleChoiceField(
        Judge.objects.none(),
        required=False,
        label=gettext_lazy("Judges"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy(
            "Of several the majority decides. Chosen are those that agreement has shown to be "
            "trusted on all comparisons. A grader also says how many of each model's responses pass."
        ),
    )
    reward_models = forms.ModelMultipleChoiceField(
        ModelVersion.objects.none(),
        required=False,
        label=gettext_lazy("Reward models"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("They score every response; with several samples, the best of n too."),
    )
    people_pairs = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=100_000,
        initial=0,
        label=gettext_lazy("Pairs for people"),
        help_text=gettext_lazy("So many pairs, drawn at random, go to the annotators' queue, blind."),
    )
    people_each = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_PEOPLE,
        initial=1,
        label=gettext_lazy("People a pair"),
        help_text=gettext_lazy("How many people judge each of them."),
    )
    regression_tag = forms.ModelChoiceField(
        Tag.objects.none(),
        required=False,
        empty_label=gettext_lazy("none"),
        label=gettext_lazy("Regression set"),
        help_text=gettext_lazy("The prompts with this tag are added, and must not get worse."),
    )
    seed = forms.IntegerField(
        min_value=0, max_value=2**32 - 1, label=gettext_lazy("Seed"), initial=0, help_text=SEED_HELP
    )

    def __init__(self, version: ModelVersion, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        project = version.project
        others = ModelVersion.objects.filter(project=project, kind=ModelKind.POLICY).exclude(pk=version.pk)
        choices = {
            "base": others,
            "snapshot": Snapshot.objects.filter(project=project),
            "judges": judges_of(project),
            "reward_models": ModelVersion.objects.filter(project=project, kind=ModelKind.REWARD),
            "regression_tag": project.tags.all(),
        }
        for name, queryset in choices.items():
            self.fields[name].queryset = queryset  # type: ignore[attr-defined]  # it chooses a model
        self.initial.update(
            base=version.base_id,
            snapshot=version.run.snapshot_id if version.run else None,
            judges=trusted_judges(project),
        )
        self.version = version
        self.fields |= parameter_fields("generate")

    def values(self) -> dict[str, Any]:
        """The arguments of ``start_evaluation``, but for who starts it."""
        given = dict(self.cleaned_data)
        given["people_pairs"] = given["people_pairs"] or 0
        given["people_each"] = given["people_each"] or 1
        parameters = _parameters(given)
        return {
            "model_version": self.version,
            "samples": parameters.pop("samples"),
            "parameters": parameters,
            **given,
        }


def parameter_fields(method: str) -> dict[str, forms.Field]:
    """A field for each parameter of the method, called ``parameters.NAME`` as in a refusal."""
    return {f"parameters.{each.name}": _field(each) for each in PARAMETERS[method]}


def _field(parameter: Parameter) -> forms.Field:
    common: dict[str, Any] = {
        "label": parameter.name,
        "help_text": gettext_lazy(parameter.help),
        "initial": parameter.default,
    }
    choices = [(name, name) for name in parameter.choices or ()]
    bounds: dict[str, Any] = {"min_value": parameter.minimum, "max_value": parameter.maximum}
    match parameter.type:
        case "int":
            return forms.IntegerField(**common, **bounds)
        case "float":
            number = forms.NumberInput(attrs={"step": "any"})
            return forms.FloatField(**common, **bounds, widget=number)
        case "bool":
            return forms.BooleanField(**common, required=False)
        case "str":
            return forms.ChoiceField(**common, choices=choices)
        case "text":
            return forms.CharField(**common, required=False)
        case "list[text]":
            common["initial"] = ", ".join(parameter.default)
            return TextList(**common, required=False)
        case "rewards":
            common["initial"] = list(parameter.default)
            area = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
            return JSONList(**common, required=False, widget=area)
        case "list[str]":
            return forms.MultipleChoiceField(**common, choices=choices, widget=forms.CheckboxSelectMultiple)
        case "list[float]":
            common["initial"] = _numbers(parameter.default)
            return NumberList(**common, required=False)


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Takes the parameters out of a form's values."""
    names = [name for name in given if name.startswith("parameters.")]
    return {name.removeprefix("parameters."): given.pop(name) for name in names}


class ScoringForm(forms.Form):
    """Which comparisons a reward model scores, and what it calls a tie."""

    margin = forms.FloatField(label=_("Tie margin"), min_value=0, initial=0)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tag"] = forms.ModelChoiceField(
            queryset=project.tags.all(), required=False, empty_label=_("All"), label=_("Comparisons")
        )
