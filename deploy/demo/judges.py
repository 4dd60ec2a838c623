"""The demo's three offline judges. Which of them to trust is not written anywhere: agreement has to find out.

Each reads only the texts, by rules, and errs by its own noise. One looks at what careful readers look at; one likes
what is longer; one knows the deliveries' vocabulary and guesses everywhere else.
"""

from typing import Any

from deploy.demo.helpdesk import ACTIONS, FILLER, SLICES

_DELIVERY = "|".join(problem for problem, group in SLICES.items() if group == "delivery")


def _style_rules(when: str | None = None) -> list[dict[str, Any]]:
    condition = {} if when is None else {"when": when}
    filler = "|".join(sentence.replace(".", r"\.") for sentence in FILLER)
    return [
        {"pattern": r"(?i)\bsorry\b", "weight": 0.4, **condition},
        {"pattern": rf"(?i)\bwe will ({'|'.join(ACTIONS.values())}) it\b", "weight": 0.3, **condition},
        {"pattern": filler, "weight": -0.3, **condition},
    ]


def judge_settings(seed: int) -> dict[str, dict[str, Any]]:
    """Settings of the three judges, by name, for the provider ``rules``."""
    return {
        "careful": {"rules": _style_rules(), "noise": 0.08, "margin": 0.12, "seed": seed},
        "longer-is-better": {"rules": [], "length_weight": 0.1, "noise": 0.1, "margin": 0.05, "seed": seed},
        "deliveries-only": {
            "rules": _style_rules(when=rf"\b({_DELIVERY})\b"),
            "noise": 0.1,
            "margin": 0.12,
            "seed": seed,
        },
    }
