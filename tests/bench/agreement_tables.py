"""The statistics on real data, as the tables of docs/statistics.md: ``python -m tests.bench.agreement_tables FOLDER``.

FOLDER holds pandalm/ and llmbar/, as the tests read them. PandaLM: 999 pairs, three people and two judges; LLMBar: 419
pairs with a known answer, each judge asked in both orders.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alignment.statistics.agreement import compare_verdicts, raw_agreement, symmetric_kappa
from alignment.statistics.alpha import krippendorff_alpha
from alignment.statistics.alt_test import alt_test
from alignment.statistics.bias import position_bias
from alignment.statistics.ceiling import human_ceiling
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE

CODES = {"1": FIRST, "2": SECOND, "tie": TIE, None: MISSING}
LLMBAR = (
    "GPT-4/Metrics_Reference",
    "GPT-4/Vanilla",
    "ChatGPT/Vanilla",
    "PaLM2/Vanilla",
    "LLaMA2/Vanilla",
    "Falcon/Vanilla",
)


def figure(statistic) -> str:
    if statistic.value is None:
        return f"– ({statistic.reason})"
    interval = "" if statistic.low is None else f" [{statistic.low:.3f}, {statistic.high:.3f}]"
    return f"{statistic.value:.3f}{interval}"


def print_table(head: list[str], rows: Iterator[list[str]]) -> None:
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print()


def load(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pandalm(folder: Path) -> None:
    rows = load(folder / "pandalm" / "comparisons.jsonl")
    prompts: dict[tuple[str, str], int] = {}
    cluster = np.array([prompts.setdefault((row["instruction"], row["input"]), len(prompts)) for row in rows])
    people = {name: np.array([CODES[row["human"][name]] for row in rows]) for name in rows[0]["human"]}
    judges = {
        name: np.array([CODES[row["judge"][name]["verdict"]] for row in rows]) for name in rows[0]["judge"]
    }
    everybody = people | judges

    def pairs() -> Iterator[list[str]]:
        names = list(everybody)
        for place, one in enumerate(names):
            for two in names[place + 1 :]:
                found = compare_verdicts(everybody[one], everybody[two], cluster)
                kappa = symmetric_kappa(everybody[one], everybody[two], cluster)
                yield [f"{one}, {two}", str(kappa.n), *map(figure, (*found.values(), kappa))]

    print_table(["PandaLM", "n", "agreement", "Cohen's kappa", "Gwet's AC1", "symmetric kappa"], pairs())
    item, rater = np.tile(np.arange(len(rows)), 3), np.repeat(np.arange(3), len(rows))
    label = np.concatenate(list(people.values()))
    alpha = krippendorff_alpha(item, label, cluster[item], level="nominal")
    print(f"Krippendorff's alpha of the three people: {figure(alpha)}.\n")

    def tests() -> Iterator[list[str]]:
        for name, verdict in judges.items():
            test = alt_test(item, rater, label, verdict, cluster)
            ceiling = human_ceiling(item, rater, label, verdict, cluster)
            p = ", ".join("–" if person.p is None else f"{person.p:.2g}" for person in test.annotators)
            statistics = (test.rate, test.advantage_probability, *ceiling)
            yield [name, str(test.advantage_probability.n), *map(figure, statistics), p]

    head = [
        "judge",
        "items",
        "winning rate (ε .2)",
        "advantage probability",
        "ceiling",
        "judge with a person",
    ]
    print_table([*head, "judge less ceiling", "p by person"], tests())


def llmbar(folder: Path) -> None:
    rows = load(folder / "llmbar" / "comparisons.jsonl")
    gold = np.array([CODES[row["gold"]] for row in rows])
    subset = np.array([row["subset"] for row in rows])
    cluster = np.arange(len(rows))

    def judged() -> Iterator[list[str]]:
        for name in LLMBAR:
            for part in ("all", *sorted(set(subset.tolist()))):
                kept = np.ones(len(rows), dtype=bool) if part == "all" else subset == part
                orders = [
                    np.array([CODES[row["judge"].get(name, {}).get(order)] for row in rows])[kept]
                    for order in ("order_12", "order_21")
                ]
                both, known, twice = np.concatenate(orders), np.tile(gold[kept], 2), np.tile(cluster[kept], 2)
                right, kappa = raw_agreement(both, known, twice), symmetric_kappa(both, known, twice)
                bias = position_bias(*orders, cluster[kept])
                p = "–" if bias.p is None else f"{bias.p:.2g}"
                yield [
                    name,
                    part,
                    str(right.n),
                    *map(figure, (right, kappa, bias.consistency, bias.first_shown)),
                    p,
                ]

    head = ["LLMBar judge", "subset", "verdicts", "right", "symmetric kappa", "same in both orders"]
    print_table([*head, "prefers the first shown", "p of the sign test"], judged())


if __name__ == "__main__":
    pandalm(Path(sys.argv[1]))
    llmbar(Path(sys.argv[1]))
