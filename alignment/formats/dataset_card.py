"""A frozen dataset's card: its manifest in words, and a header that says where the splits are."""

from collections.abc import Iterator, Mapping
from typing import Any

from alignment.formats.dataset_folder import SPLITS
from alignment.health.consent import terms_of

_HEADER = "\n".join(
    [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - split: {split}\n    path: {split}.parquet" for split in SPLITS),
        "tags:",
        "- preference",
        "---",
    ]
)
_COLUMNS = """## Columns

`prompt`, `chosen` and `rejected` are lists of messages; `weight`, `confidence` and `margin` (0 where nobody said how
much better) are the label's; `score_chosen` and `score_rejected` the means of the rubric's scores, from 0 to 1.
`reference` is the prompt's, `metadata` the comparison's, as JSON text. `comparison`,
`prompt_sha256` and `judgments` (each by its submission id, its rater and the rater's kind) trace every row to what
it rests on. Splits are by prompt: no prompt is in both.
"""


def card(manifest: Mapping[str, Any]) -> str:
    """The text of README.md."""
    sections = [
        _HEADER,
        _title(manifest),
        _splits(manifest),
        _COLUMNS,
        _raters(manifest),
        _terms(manifest),
        _agreement(manifest),
    ]
    return "\n\n".join(section.strip("\n") for section in sections if section) + "\n"


def _title(manifest: Mapping[str, Any]) -> str:
    policy, split = manifest["policy"], manifest["split"]
    return f"""# Preference dataset {manifest["sha256"][:12]}

Frozen by the label policy {policy["name"]} v{policy["version"]}. The address of its content is
`{manifest["sha256"]}`; policy `{policy["sha256"]}`; agreement report `{manifest["report"] or "none"}`.
A share of {split["test_share"]:g} of the prompts was held out for testing, with seed {split["seed"]}."""


def _splits(manifest: Mapping[str, Any]) -> str:
    lines = ["## Splits", "", "| split | rows | comparisons | prompts |", "| --- | --- | --- | --- |"]
    for name in SPLITS:
        split = manifest["splits"][name]
        lines.append(f"| {name} | {split['rows']} | {split['comparisons']} | {split['prompts']} |")
    left_out = ", ".join(f"{count} {what}" for what, count in manifest["left_out"].items() if count)
    return "\n".join([*lines, "", f"Left out: {left_out or 'nothing'}."])


def _raters(manifest: Mapping[str, Any]) -> str:
    lines = ["## Raters", "", "| rater | kind | judgments used |", "| --- | --- | --- |"]
    for rater in manifest["raters"]:
        kind = f"{rater['kind']}, simulated" if rater["simulated"] else rater["kind"]
        lines.append(f"| {_cell(rater['name'])} | {kind} | {rater['judgments']} |")
    return "\n".join(lines)


def _terms(manifest: Mapping[str, Any]) -> str:
    """What the tags say of licence and consent, such as ``licence:cc-by-4.0``."""
    said = {tag: count for tag, count in manifest.get("tags", {}).items() if terms_of([tag], {})}
    lines = [f"- {_cell(tag)}: {count} comparisons" for tag, count in said.items()]
    return "\n".join(["## Licence and consent", "", *(lines or ["No tag names a licence or a consent."])])


def _agreement(manifest: Mapping[str, Any]) -> str:
    lines = ["## Agreement", "", *_people(manifest["agreement"]), *_judges(manifest["certificates"])]
    return "\n".join(lines)


def _people(agreement: Mapping[str, Any] | None) -> Iterator[str]:
    if agreement is None:
        yield "No agreement report was made."
    elif agreement.get("value") is None:
        yield f"Krippendorff's alpha between people is undefined: {agreement.get('reason', 'no reason given')}."
    else:
        low, high = agreement["low"], agreement["high"]
        interval = f" (95 % interval {low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        yield f"Krippendorff's alpha between people is {agreement['value']:.3f}{interval}, n = {agreement['n']}."


def _judges(certificates: list[Mapping[str, Any]]) -> Iterator[str]:
    if certificates:
        yield from ("", "| judge | slice | trusted | why |", "| --- | --- | --- | --- |")
    for one in certificates:
        trusted = "yes" if one["trusted"] else "no"
        yield f"| {_cell(one['judge'])} | {_cell(one['slice'])} | {trusted} | {_cell(one['sentence'])} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
