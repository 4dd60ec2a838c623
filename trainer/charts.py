"""What is drawn together: which of a run's lines share a chart, by the names that the runner reports."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# Every other line has a chart of its own, so that whatever a method reports is seen.
TOGETHER = (
    (_("Loss"), ("loss", "held-out loss", "policy_loss", "value_loss")),
    (_("Each trial, and the best so far"), ("trial_value", "best_value")),
    (_("Reward"), ("reward", "mean_reward", "held-out reward", "reward_chosen", "reward_rejected")),
    (_("Margin"), ("margin", "held-out margin")),
    (_("Held-out win rate"), ("held-out win_rate",)),
    (
        _("Accuracy"),
        ("accuracy", "held-out accuracy", "mean_token_accuracy", "held-out mean_token_accuracy"),
    ),
    (_("KL to the reference, nats"), ("kl", "objective_kl", "held-out kl")),
    (_("Entropy, nats a token"), ("entropy", "policy_entropy", "held-out entropy")),
    (_("Share clipped"), ("clip_share", "clip_ratio_region_mean", "value_clip_share")),
    (_("Gradient norm"), ("grad_norm",)),
    (_("Length, tokens"), ("length", "mean_length", "completions_mean_length", "response_length")),
    (_("Rows or samples a second"), ("rows_per_second", "samples_per_second")),
    (_("Tokens a second"), ("tokens_per_second",)),
    (_("Memory, GB"), ("memory_gb",)),
    (_("Cost so far"), ("cost",)),
    (_("Learning rate"), ("learning_rate",)),
)
# What a figure stands on is in the events and the CSV; as a line it would be flat.
UNDRAWN = {"held-out win_rate_n", "held-out win_rate_decided"}


def charts_of(names: Iterable[str]) -> list[dict[str, Any]]:
    """The charts of these lines: ``{"title", "lines": [name…]}``, the best known first."""
    left = set(names) - UNDRAWN
    drawn = []
    for title, together in TOGETHER:
        lines = [name for name in together if name in left]
        left -= set(lines)
        if lines:
            drawn.append({"title": gettext(str(title)), "lines": lines})
    return drawn + [{"title": name.replace("_", " "), "lines": [name]} for name in sorted(left)]
