"""An evaluation's figures as rows, the same for the page, the comparison of versions and the file."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from trainer.models import Evaluation, RewardCheck

Stat = Mapping[str, Any]
NOTHING: Stat = {"value": None, "n": 0, "reason": "no data"}


class Measure(NamedTuple):
    """One win rate: ``by`` is the code of who decided it, ``name`` is who, ``note`` what else there is to know."""

    by: str
    name: str
    win_rate: Stat
    note: str = ""


def measures(evaluation: Evaluation) -> list[Measure]:
    """Everybody's win rate of the model against its base."""
    result = evaluation.result or {}
    if not result:
        return []
    people, powered = result.get("people"), result.get("prediction_powered")
    found = [Measure("judges", _("Judges, by majority"), result["win_rate"], _who_judged(result))]
    if people and people["drawn"]:
        said = _("%(answered)s of %(drawn)s pairs have a verdict") % people
        found.append(Measure("people", _("People"), people["win_rate"], said))
    if people and people["drawn"] and powered:
        found.append(
            Measure(
                "people_and_judges",
                _("People and judges, prediction-powered"),
                powered["win_rate"],
                _said_of_powered(powered),
            )
        )
    if "style_controlled" in result:
        words = _("words: %(model).0f against %(base).0f") % result["words"]
        found.append(Measure("equal_length", _("Judges, at equal length"), result["style_controlled"], words))
    several = [rater for rater in result.get("raters", ()) if rater["kind"] == "judge"]
    for rater in result.get("raters", ()):
        if rater["kind"] != "judge" or len(several) > 1:
            found.append(Measure(rater["kind"], rater["name"], rater["win_rate"]))
    return found


def best_rate(evaluation: Evaluation | None) -> Stat:
    """People's and judges' together where people were asked, else the judges'."""
    result = (evaluation.result if evaluation else None) or {}
    powered = result.get("prediction_powered", {}).get("win_rate", NOTHING)
    if powered["value"] is not None:
        return dict(powered)
    return dict(result.get("win_rate", NOTHING))


def apart(evaluation: Evaluation) -> bool:
    """Whether the judges' interval and the people's do not overlap."""
    result = evaluation.result or {}
    judges, people = result.get("win_rate", NOTHING), result.get("people", {}).get("win_rate", NOTHING)
    if judges.get("low") is None or people.get("low") is None:
        return False
    return bool(judges["low"] > people["high"] or people["low"] > judges["high"])


def _who_judged(result: Mapping[str, Any]) -> str:
    """The judges, and which of them agreement has not shown to be trusted."""
    if not result.get("uncertified"):
        return str(result["judge"])
    told = {"judges": result["judge"], "others": ", ".join(result["uncertified"])}
    return _("%(judges)s; not certified on all comparisons: %(others)s") % told


def _said_of_powered(powered: Mapping[str, Any]) -> str:
    if powered["effective_n"] is None:
        return ""
    told = {"tuning": f"{powered['tuning']:.2f}", "n": round(powered["effective_n"])}
    return _("trust in the judges %(tuning)s; as good as %(n)s pairs judged by people") % told


def evaluation_rows(evaluation: Evaluation) -> Iterator[list[object]]:
    """The evaluation as a table for a file: its header, then a row a figure."""
    yield ["measure", "of", "slice", "value", "low", "high", "n", "excluded", "reason"]
    result = evaluation.result or {}
    for measure in measures(evaluation):
        yield ["win rate", measure.name, "all", *_cells(measure.win_rate)]
    for part in result.get("slices", ()):
        yield ["win rate", "judges", part["slice"], *_cells(part["win_rate"])]
        yield ["win rate", "people", part["slice"], *_cells(part["people"])]
    for grader in result.get("graders", ()):
        for side in ("model", "base"):
            yield [f"pass rate of the {side}", grader["name"], "all", *_cells(grader[side])]
    for rewards in result.get("rewards", ()):
        for side in ("model", "base", "difference"):
            yield [f"mean reward, {side}", rewards["name"], "all", *_cells(rewards[side])]
    if result.get("regression"):
        tested = result["regression"]
        yield [f"regression set: {tested['verdict']}", "", tested["tag"], *_cells(tested["win_rate"])]
    yield from _label_rows(result.get("classification"))
    for curve in result.get("best_of_n", ()):
        for point in curve["points"]:
            yield [f"best of {point['n']}", curve["reward_model"], "all", *_cells(point["picked"])]
        for gold in curve["gold"]:
            for point, said in zip(curve["points"], gold["points"], strict=True):
                yield [f"best of {point['n']} by {curve['reward_model']}", gold["name"], "all", *_cells(said)]


def reward_check_rows(check: RewardCheck) -> Iterator[list[object]]:
    """A reward check as a table for a file."""
    yield ["measure", "slice", "confidence", "value", "low", "high", "n", "excluded", "reason"]
    result = check.result
    if result is None:
        return
    yield ["accuracy", "all", "", *_cells(result["accuracy"])]
    for part in result["slices"]:
        yield ["accuracy", part["slice"], "", *_cells(part["accuracy"])]
    yield ["mean margin", "all", "", *_cells(result["margin"])]
    for name in ("ece", "brier"):
        yield [name, "all", "", *_cells(result["calibration"][name])]
    for part in result["calibration"]["bins"]:
        yield ["right at this confidence", "all", part["confidence"], *_cells(part["right"])]


def _label_rows(found: Mapping[str, Any] | None) -> Iterator[list[object]]:
    for side in ("model", "base") if found else ():
        scored = (found or {})[side]
        yield [f"macro F1 of the {side}", "", "all", *_cells(scored["macro_f1"])]
        for label in scored["labels"]:
            for name in ("precision", "recall", "f1"):
                yield [f"{name} of the {side}", label["label"], "all", *_cells(label[name])]


def _cells(said: Stat) -> list[object]:
    keys = ("value", "low", "high", "n", "excluded", "reason")
    return [said.get(key, 0 if key == "excluded" else "") for key in keys]
