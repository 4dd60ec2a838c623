"""What one turn of the loop came to, as JSON and as a table. Every number is computed here from the store."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from alignment.models import Decision, Label
from deploy.demo.helpdesk import Ticket, true_ranking, true_score
from deploy.demo.loop import Turn
from feedback.models import Judgment, Outcome, Project, RaterKind, Slot
from feedback.queries.projects import store_counts
from trainer.pairs import pairs_of

Ranking = tuple[int, ...]


def build_report(turn: Turn) -> dict[str, Any]:
    """The report in the shape that the house plan gives."""
    counts = store_counts(turn.project)
    labels = {label.comparison_id: label for label in Label.objects.filter(policy=turn.policy)}
    used = [pk for pk, label in labels.items() if label.decision == Decision.USED]
    decisions = Counter(label.decision for label in labels.values())
    truth = true_rankings(turn.project)
    votes = _votes(turn.project)
    pooled = {
        pk: [ranking for kind, ranking in given if kind != RaterKind.HUMAN] for pk, given in votes.items()
    }
    everything = {pk: [ranking for _, ranking in given] for pk, given in votes.items()}
    before, after = _true_scores(turn)
    return {
        "seed": turn.seed,
        "counts": {
            "comparisons": counts.comparisons,
            "human_judgments": counts.human_judgments,
            "ai_judgments": counts.ai_judgments,
        },
        "judges": [_judge(entry) for entry in turn.labelling.certificates],
        "labels": {decision.value: decisions[decision] for decision in Decision},
        "label_error": {
            "policy": _mean(labels[pk].ranking != truth[pk] for pk in used),
            "pooled": plurality_error(pooled, truth, used),
            "majority": plurality_error(everything, truth, used),
        },
        "label_error_all": {
            "pooled": plurality_error(pooled, truth, truth),
            "majority": plurality_error(everything, truth, truth),
        },
        "coverage": len(used) / len(truth),
        "reward_model": {"accuracy": turn.reward_model.metrics["accuracy"]},
        "policy_model": {
            "win_rate": (turn.evaluation.result or {})["win_rate"],
            "score_before": before,
            "score_after": after,
        },
        "requeued": turn.requeued,
        "seconds": turn.seconds,
    }


def failures(report: Mapping[str, Any]) -> list[str]:
    """What this seed did not show, a sentence each; empty where all went as claimed."""
    found = []
    low = report["policy_model"]["win_rate"].get("low")
    if low is None or low <= 0.5:
        found.append(
            "The DPO policy does not surely beat its base: its win rate's interval reaches down to 0.5."
        )
    error = report["label_error"]
    if not error["policy"] < error["pooled"]:
        found.append("The policy's labels are not better than all AI labels pooled.")
    trusted = {(judge["name"], judge["slice"]) for judge in report["judges"] if judge["trusted"]}
    if any(name == "longer-is-better" for name, _ in trusted):
        found.append("The judge that prefers longer answers was trusted.")
    if {place for name, place in trusted if name == "deliveries-only"} != {"delivery"}:
        found.append("The judge that knows only deliveries was not trusted on just those.")
    return found


def table(report: Mapping[str, Any]) -> str:
    """The report for people: what happened, who is trusted, what it was worth."""
    counts, labels = report["counts"], report["labels"]
    error, everywhere = report["label_error"], report["label_error_all"]
    model = report["policy_model"]
    lines = [
        f"Seed {report['seed']}: {counts['comparisons']:,} comparisons, {counts['human_judgments']:,} judgments by "
        f"simulated people, {counts['ai_judgments']:,} by AI judges",
        "",
        f"  {'judge':<18}{'slice':<10}{'winning':>8}{'advantage':>11}   {'agreement with people':<30}trusted",
        *(_judge_line(judge) for judge in report["judges"]),
        "",
        f"  labels             {labels['used']:,} used ({report['coverage']:.0%}), {labels['routed']:,} routed to "
        f"people, {labels['dropped']:,} dropped",
        f"  wrong labels       {'':<22}our policy   all AI pooled   majority of everything",
        f"    where ours are used                  {error['policy']:>8.1%}   {error['pooled']:>13.1%}"
        f"   {error['majority']:>22.1%}",
        f"    everywhere                                  –   {everywhere['pooled']:>13.1%}"
        f"   {everywhere['majority']:>22.1%}",
        "",
        f"  reward model       held-out accuracy {_shown(report['reward_model']['accuracy'])}",
        f"  DPO policy         win rate against its base, held-out prompts {_shown(model['win_rate'])}",
        f"                     mean true score {model['score_before']:.2f} before, {model['score_after']:.2f} after",
        f"  back to people     {report['requeued']:,} comparisons",
        f"  seconds            {sum(report['seconds'].values()):.0f} in all: "
        + ", ".join(f"{name} {seconds:.0f}" for name, seconds in report["seconds"].items()),
    ]
    return "\n".join(lines)


def true_rankings(project: Project) -> dict[int, Ranking]:
    """The generator's truth for every comparison of the project that may be a label."""
    texts: dict[int, list[str]] = defaultdict(list)
    slots = Slot.objects.filter(comparison__project=project, comparison__purpose="train")
    for pk, text in slots.order_by("comparison_id", "position").values_list(
        "comparison_id", "response__text"
    ):
        texts[pk].append(text)
    return {pk: true_ranking(*pair) for pk, pair in texts.items()}


def plurality_error(
    votes: Mapping[int, list[Ranking]], truth: Mapping[int, Ranking], among: Iterable[int]
) -> float | None:
    """How often the commonest ranking is wrong; where several are as common, the mean over them."""
    return _mean(_expected_error(votes.get(pk, []), truth[pk]) for pk in among)


def _expected_error(rankings: list[Ranking], truth: Ranking) -> float:
    if not rankings:
        return 1.0
    counted = Counter(rankings)
    most = max(counted.values())
    first = [ranking for ranking, count in counted.items() if count == most]
    return 1 - (truth in first) / len(first)


def _votes(project: Project) -> dict[int, list[tuple[str, Ranking]]]:
    votes: dict[int, list[tuple[str, Ranking]]] = defaultdict(list)
    rows = Judgment.objects.filter(
        comparison__project=project, comparison__purpose="train", current=True, outcome=Outcome.RANKED
    )
    for pk, kind, ranking in rows.values_list("comparison_id", "rater__kind", "ranking"):
        votes[pk].append((kind, ranking))
    return votes


def _true_scores(turn: Turn) -> tuple[float | None, float | None]:
    """The mean true score of the base's and of the policy's replies to the held-out prompts."""
    tickets = {ticket.text: ticket for ticket in turn.held_out}
    scores: dict[str, list[float]] = defaultdict(list)
    for pair in pairs_of(turn.evaluation):
        ticket: Ticket = tickets[pair.prompt.messages[-1]["content"]]
        scores["before"].append(true_score(ticket, pair.base_text))
        scores["after"].append(true_score(ticket, pair.model_text))
    return _mean(scores["before"]), _mean(scores["after"])


def _judge(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": entry["judge"],
        "slice": entry["slice"],
        "trusted": entry["trusted"],
        "reason": entry["sentence"],
        "winning_rate": entry["winning_rate"],
        "advantage_probability": entry["advantage_probability"]["value"],
        "agreement": entry["agreement"],
    }


def _judge_line(judge: Mapping[str, Any]) -> str:
    winning, advantage = (
        "–" if judge[name] is None else f"{judge[name]:.2f}"
        for name in ("winning_rate", "advantage_probability")
    )
    trusted = "yes" if judge["trusted"] else "no"
    start = f"  {judge['name']:<18}{judge['slice']:<10}{winning:>8}{advantage:>11}"
    return f"{start}   {_shown(judge['agreement']):<30}{trusted}"


def _shown(statistic: Mapping[str, Any]) -> str:
    if statistic.get("value") is None:
        return f"none ({statistic.get('reason', 'not measured')})"
    if statistic.get("low") is None:
        return f"{statistic['value']:.2f}, n {statistic['n']:,}"
    return f"{statistic['value']:.2f} [{statistic['low']:.2f}, {statistic['high']:.2f}], n {statistic['n']:,}"


def _mean(values: Iterable[float]) -> float | None:
    given = list(values)
    return sum(given) / len(given) if given else None
