"""How a judge is configured, apart from its rubric: checked here, and written to and read from a document."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from feedback.answers import verdict_problem
from feedback.records import BadRecord, check_messages, check_text
from judges.core.prices import BadPrices, Price, price_from
from judges.core.rendering import (
    BEST_OF_N,
    MODES,
    PAIRWISE,
    PASS_FAIL,
    SCORES,
    BadTemplate,
    Example,
    JudgeText,
    check_templates,
)
from judges.core.rubric import CriterionText

MOST_SAMPLES, MOST_RETRIES, MOST_EXAMPLES = 9, 3, 20
LONGEST_EXAMPLE = 200_000  # characters of all of an example's texts


class BadConfiguration(ValueError):
    """A configuration that can not be used; ``field`` names the part at fault, such as "examples[0].scores"."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True)
class Configuration:
    """Everything of a judge but its name and rubric; see ``rendering.JudgeText`` for what shapes its requests.

    ``settings`` are the provider's: effort, token limits and the like, which it checks. ``family`` names the
    model's maker, since judges of one family are not independent. ``parse_retries`` is how often a question is
    asked again whose reply can not be read. ``price`` overrides the price table: dollars a million tokens by kind.
    """

    provider: str
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""
    mode: str = PAIRWISE
    both_orders: bool = True
    samples: int = 1
    tie_margin: float = 0.0
    use_reference: bool = False
    system_template: str = ""
    message_template: str = ""
    examples: tuple[Example, ...] = ()
    parse_retries: int = 0
    price: Mapping[str, str] | None = None

    def text(self, instructions: str, criteria: Sequence[CriterionText]) -> JudgeText:
        """The judge for ``rendering``, with the criteria that judges score."""
        return JudgeText(
            self.provider,
            self.model,
            self.settings,
            instructions,
            tuple(criterion for criterion in criteria if criterion.scored_by != "people"),
            mode=self.mode,
            both_orders=self.both_orders,
            samples=self.samples,
            tie_margin=self.tie_margin,
            use_reference=self.use_reference,
            system_template=self.system_template,
            message_template=self.message_template,
            examples=self.examples,
        )


def check_configuration(configuration: Configuration, criteria: Sequence[CriterionText]) -> None:
    """Raise BadConfiguration for what no judge can be made of; the provider checks its settings itself."""
    text = configuration.text("", criteria)
    _check_names(configuration)
    _check_numbers(configuration)
    if configuration.mode == SCORES and not sum(criterion.weight for criterion in text.criteria):
        raise BadConfiguration(
            "mode", "asks for scores, and the rubric has no criterion for judges with a weight above 0"
        )
    try:
        check_templates(text)
    except BadTemplate as bad:
        raise BadConfiguration(bad.field, bad.problem) from None
    _check_examples(text)
    if configuration.price is not None:
        _check_price(configuration)


def configuration_document(configuration: Configuration) -> dict[str, Any]:
    """The configuration as plain JSON values, every field written out."""
    document = {item.name: getattr(configuration, item.name) for item in fields(Configuration)}
    document["settings"] = dict(configuration.settings)
    document["examples"] = [example_document(example) for example in configuration.examples]
    document["price"] = None if configuration.price is None else dict(configuration.price)
    return document


def configuration_from(document: Mapping[str, Any]) -> Configuration:
    """The configuration of a document, which need hold no more than provider and model. Raises BadConfiguration."""
    known = {item.name: item for item in fields(Configuration)}
    unknown = [str(name) for name in document if name not in known]
    if unknown:
        raise BadConfiguration(f"{unknown[0]:.80}", f"is not known; use {', '.join(known)}")
    for name, kind, told in _TYPES:
        value = document.get(name, "" if kind is str else None)
        if name in document and (
            not isinstance(value, kind) or (kind is not bool and isinstance(value, bool))
        ):
            raise BadConfiguration(name, f"must be {told}, not {value!r:.80}")
    values = {**document, "provider": document.get("provider", ""), "model": document.get("model", "")}
    if "examples" in document:
        values["examples"] = tuple(
            example_from(example, f"examples[{index}]") for index, example in enumerate(document["examples"])
        )
    return Configuration(**values)


def example_document(example: Example) -> dict[str, Any]:
    document = {item.name: getattr(example, item.name) for item in fields(Example)}
    document["prompt"] = [dict(message) for message in example.prompt]
    document["responses"], document["ranking"] = list(example.responses), list(example.ranking)
    document["scores"] = {name: list(levels) for name, levels in example.scores.items()}
    return document


def example_from(document: object, where: str) -> Example:
    """An example of a document; ``check_configuration`` checks what is in it. Raises BadConfiguration."""
    if not isinstance(document, Mapping) or {"comparison", "prompt", "responses", "ranking"} - set(document):
        raise BadConfiguration(where, "must be an object with comparison, prompt, responses and ranking")
    unknown = [str(name) for name in document if name not in Example.__dataclass_fields__]
    if unknown:
        raise BadConfiguration(f"{where}.{unknown[0]:.80}", "is not known")
    scores = document.get("scores", {})
    lists = [document["prompt"], document["responses"], document["ranking"]]
    if not isinstance(scores, Mapping) or not all(
        isinstance(part, list) for part in [*lists, *scores.values()]
    ):
        raise BadConfiguration(where, "has prompt, responses, ranking or scores that are no lists")
    return Example(
        **{
            **document,
            "responses": tuple(document["responses"]),
            "ranking": tuple(document["ranking"]),
            "scores": {str(name): tuple(levels) for name, levels in scores.items()},
        }
    )


_TYPES: tuple[tuple[str, Any, str], ...] = (
    ("provider", str, "text"),
    ("model", str, "text"),
    ("settings", Mapping, "an object"),
    ("family", str, "text"),
    ("mode", str, "text"),
    ("both_orders", bool, "true or false"),
    ("samples", int, "a whole number"),
    ("tie_margin", int | float, "a number"),
    ("use_reference", bool, "true or false"),
    ("system_template", str, "text"),
    ("message_template", str, "text"),
    ("examples", list | tuple, "a list"),
    ("parse_retries", int, "a whole number"),
    ("price", Mapping | None, "an object or null"),
)


def _check_names(configuration: Configuration) -> None:
    for name, limit in (("model", 100), ("family", 60)):
        try:
            check_text(getattr(configuration, name), name, limit)
        except BadRecord as bad:
            raise BadConfiguration(name, f"can not be used: {bad.reason}") from None
    if not configuration.model.strip():
        raise BadConfiguration("model", "is needed, named in at most 100 characters")
    if configuration.mode not in MODES:
        raise BadConfiguration("mode", f"must be one of {', '.join(MODES)}, not {configuration.mode!r:.80}")


def _check_numbers(configuration: Configuration) -> None:
    if not 1 <= configuration.samples <= MOST_SAMPLES:
        raise BadConfiguration("samples", f"must be from 1 to {MOST_SAMPLES}, of each order")
    if not 0 <= configuration.parse_retries <= MOST_RETRIES:
        raise BadConfiguration("parse_retries", f"must be from 0 to {MOST_RETRIES}")
    margin = configuration.tie_margin
    if not (math.isfinite(margin) and 0 <= margin <= 2000):
        raise BadConfiguration("tie_margin", "must be a number from 0 to 2000, in the units of the levels")
    if margin and configuration.mode != SCORES:
        raise BadConfiguration("tie_margin", f"is for the mode {SCORES!r} alone; leave it out")


def _check_examples(judge: JudgeText) -> None:
    if judge.examples and judge.mode == PASS_FAIL:
        raise BadConfiguration(
            "examples", "can not be given to a judge of pass or fail: a ranking does not say who passes"
        )
    if len(judge.examples) > MOST_EXAMPLES:
        raise BadConfiguration("examples", f"are {len(judge.examples)}; use at most {MOST_EXAMPLES}")
    for index, example in enumerate(judge.examples):
        _check_example(judge, example, f"examples[{index}]")


def _check_example(judge: JudgeText, example: Example, where: str) -> None:
    _check_example_texts(example, where)
    problem = verdict_problem("ranked", example.ranking, len(example.responses))
    if problem:
        raise BadConfiguration(f"{where}.ranking", f"can not be used: {problem.reason}")
    if judge.mode == PAIRWISE and len(example.responses) != 2:
        raise BadConfiguration(f"{where}.responses", "must be two for a judge of pairs")
    if judge.mode == BEST_OF_N and example.ranking.count(1) != 1:
        raise BadConfiguration(f"{where}.ranking", "must have one best response for a judge of the best")
    for criterion in judge.criteria:
        if judge.mode != SCORES and criterion.name not in example.scores:
            continue
        levels = example.scores.get(criterion.name, ())
        if len(levels) != len(example.responses) or any(level not in criterion.levels for level in levels):
            raise BadConfiguration(
                f"{where}.scores",
                f"need a level from {criterion.scale_min} to {criterion.scale_max} of each response on "
                f"{criterion.name!r}, which the judge has to give too",
            )


def _check_example_texts(example: Example, where: str) -> None:
    texts = [example.comparison, example.rationale, example.reference or "", *example.responses]
    try:
        check_messages(example.prompt)
        for text in texts:
            check_text(text, where)
    except BadRecord as bad:
        raise BadConfiguration(where, f"can not be used: {bad.reason}") from None
    if not 2 <= len(example.responses) <= 26 or not all(type(rank) is int for rank in example.ranking):
        raise BadConfiguration(where, "needs 2 to 26 responses, and whole numbers as their ranks")
    if sum(map(len, texts)) + sum(len(message["content"]) for message in example.prompt) > LONGEST_EXAMPLE:
        raise BadConfiguration(where, f"is longer than {LONGEST_EXAMPLE} characters")


def _check_price(configuration: Configuration) -> None:
    try:
        own_price(configuration.model, configuration.price or {})
    except (BadPrices, TypeError) as bad:
        raise BadConfiguration("price", f"can not be used: {bad}") from None


def own_price(model: str, price: Mapping[str, Any], since: date = date.min) -> Price:
    """A judge's price as a row of the price table. Raises BadPrices."""
    return price_from({"model": model, "since": since, **price}, "its row")
