"""Before a run starts: whether the data suit it, whether it fits, and what it will take in time and money."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq
from django.utils.translation import gettext as _

from feedback.errors import Refused
from trainer import estimates
from trainer.budget import HOUR, cap_seconds, cost_of
from trainer.launchers.local import cards_gib
from trainer.launchers.settings import LauncherSettings
from trainer.spec import RunSpec
from trainer.stories import duration

OK, WARN, BAD = "ok", "warn", "bad"
LOOKED_AT = 2_000  # rows at most: a page that waits asks again and again; the rest are taken to be like them
CHARACTERS_A_TOKEN = 4.0  # English in a common tokenizer; the probe counts real ones

# Message columns that will do, in the order in which a method takes them; the runner's own, said before it starts.
LAYOUTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "sft": (("prompt", "completion"), ("messages",), ("prompt", "chosen", "rejected")),
    "reward": (("prompt", "chosen", "rejected"), ("chosen", "rejected")),
    "dpo": (("prompt", "chosen", "rejected"),),
    "orpo": (("prompt", "chosen", "rejected"),),
    "kto": (("prompt", "completion", "label"), ("prompt", "chosen", "rejected")),
    "grpo": (("prompt",),),
    "rloo": (("prompt",),),
    "ppo": (("prompt",),),
}
# Rules of thumb: below this the held-out figures of published recipes are noise.
ENOUGH: Mapping[str, int] = {"sft": 200, "reward": 500, "dpo": 500, "orpo": 500, "kto": 500}
ENOUGH_PROMPTS = 100


class Finding(NamedTuple):
    level: str
    sentence: str


@dataclass(frozen=True)
class Rows:
    """The training rows: how many, their columns, and the mean and the share too long, in estimated tokens."""

    count: int
    columns: tuple[str, ...]
    tokens: float
    too_long: float


@dataclass(frozen=True)
class Check:
    """``seconds`` is None where the model's shape is not known here; ``cost`` where an hour has no price."""

    findings: list[Finding]
    rows: Rows | None
    steps: int
    tokens: float
    memory: estimates.Memory | None
    device_gib: float
    seconds: float | None
    cost: float | None

    @property
    def level(self) -> str:
        levels = [finding.level for finding in self.findings]
        return next((level for level in (BAD, WARN) if level in levels), OK)


def check_spec(spec: RunSpec, launcher: LauncherSettings, measured: float | None = None) -> Check:
    """What can be said of a spec without starting it; ``measured`` is seconds a step, from a probe."""
    rows = _read(spec)
    shape = estimates.shape_of(Path(spec.model))
    device, gpu = _device_gib(launcher)
    steps = estimates.steps_of(spec.parameters, rows.count if rows else 0) * _trials(spec)
    tokens = _tokens(spec, rows, steps)
    memory = estimates.memory(spec.method, shape, spec.parameters, gpu=gpu) if shape else None
    seconds = measured * steps if measured is not None else _seconds(spec, shape, tokens, launcher, gpu)
    price = spec.budget["hour_price"] or 0.0
    cost = cost_of(seconds, price) if seconds is not None and price else None
    findings = [*_data(spec, rows), _template(spec), _fits(memory, device), *_budget(spec, seconds)]
    return Check([f for f in findings if f], rows, steps, tokens, memory, device, seconds, cost)


def refuse_over_budget(spec: RunSpec, launcher: LauncherSettings) -> None:
    """Refused where the estimate passes the spec's budget: a person must say that it is to start all the same."""
    if cap_seconds(spec.budget) is None:
        return
    found = _budget(spec, check_spec(spec, launcher).seconds)
    if found and found[0].level == BAD:
        raise Refused(found[0].sentence + " " + _("To start it all the same, confirm it."), field="confirm")


def _data(spec: RunSpec, rows: Rows | None) -> list[Finding]:
    if rows is None:
        return [Finding(BAD, _("The training rows can not be read; freeze the snapshot again."))]
    layouts = LAYOUTS[spec.method]
    if not any(set(layout) <= set(rows.columns) for layout in layouts):
        wanted = _(" or ").join(", ".join(layout) for layout in layouts)
        named = {"method": spec.method, "columns": ", ".join(rows.columns), "wanted": wanted}
        return [
            Finding(BAD, _("%(method)s needs the columns %(wanted)s; these rows have %(columns)s.") % named)
        ]
    known: dict[str, object] = {"rows": rows.count, "method": spec.method, "share": f"{rows.too_long:.0%}"}
    found = [Finding(OK, _("%(rows)s training rows in a layout that %(method)s takes.") % known)]
    enough = ENOUGH.get(spec.method, ENOUGH_PROMPTS)
    if rows.count < enough:
        known["enough"] = enough
        found.append(
            Finding(
                WARN,
                _("%(rows)s rows are few for %(method)s: below about %(enough)s the result is mostly noise.")
                % known,
            )
        )
    if rows.too_long > 0.02:
        found.append(
            Finding(
                WARN,
                _("About %(share)s of the rows are longer than max_length, and will be left out.") % known,
            )
        )
    return found


def _template(spec: RunSpec) -> Finding:
    """Whether the model's folder says how a conversation is written; the probe tries it on the rows."""
    folder = Path(spec.model)
    try:
        configured = "chat_template" in json.loads((folder / "tokenizer_config.json").read_text())
    except (OSError, ValueError):
        configured = False
    if configured or (folder / "chat_template.jinja").is_file():
        return Finding(OK, _("The model has a chat template."))
    if not folder.is_dir():
        return Finding(
            WARN, _("The model is no folder here: the probe finds out whether it has a chat template.")
        )
    return Finding(BAD, _("The model has no chat template: put a chat_template.jinja into its folder."))


def _fits(memory: estimates.Memory | None, device: float) -> Finding:
    if memory is None:
        return Finding(WARN, _("The model's shape is not known here, so its memory can not be estimated."))
    known = {"need": f"{memory.total:.1f}", "device": f"{device:.1f}"}
    if not device:
        return Finding(
            WARN, _("It needs about %(need)s GiB; how much the launcher's card has is not known.") % known
        )
    if memory.total > device:
        sentence = _("It needs about %(need)s GiB and the device has %(device)s.")
        advice = _("Lower batch_size or max_length, or set lora_r.")
        return Finding(BAD, f"{sentence % known} {advice}")
    return Finding(OK, _("It needs about %(need)s GiB of the device's %(device)s.") % known)


def _budget(spec: RunSpec, seconds: float | None) -> list[Finding]:
    cap = cap_seconds(spec.budget)
    if cap is None or seconds is None:
        return []
    known = {"time": duration(seconds), "cap": duration(cap)}
    if spec.search and seconds / _trials(spec) <= cap < seconds:  # it takes the best of those that fit
        known["trials"] = str(int(cap * _trials(spec) / seconds))
        return [
            Finding(
                WARN,
                _("All trials take about %(time)s; its budget ends after %(cap)s, about %(trials)s of them.")
                % known,
            )
        ]
    if seconds > cap:
        return [Finding(BAD, _("It takes about %(time)s, and its budget ends after %(cap)s.") % known)]
    return [Finding(OK, _("It takes about %(time)s of the %(cap)s that its budget allows.") % known)]


def _trials(spec: RunSpec) -> int:
    """How often it trains: once, or in a search so often at most, as trials may be pruned."""
    return spec.search["trials"] if spec.search else 1


def _tokens(spec: RunSpec, rows: Rows | None, steps: int) -> float:
    if rows is None:
        return 0.0
    parameters = spec.parameters
    most = parameters.get("max_length", 1024) * estimates.METHODS[spec.method].sequences
    a_row = min(rows.tokens + parameters.get("max_new_tokens", 0), most)
    return float(steps * estimates.samples_a_step(parameters) * a_row)


def _seconds(
    spec: RunSpec, shape: estimates.Shape | None, tokens: float, launcher: LauncherSettings, gpu: bool
) -> float | None:
    able = launcher.teraflops * launcher.cards * launcher.nodes
    if shape is None or (gpu and not able):
        return None
    return estimates.seconds(spec.method, shape, tokens, teraflops=able, gpu=gpu)


def _read(spec: RunSpec) -> Rows | None:
    """The first rows of the training split."""
    path = Path(spec.dataset)
    path = path if path.is_file() else path / "train.parquet"
    try:
        if path.suffix == ".jsonl":
            table = pa.json.read_json(path)
            count, table = table.num_rows, table.slice(0, LOOKED_AT)
        else:
            file = pq.ParquetFile(path)
            first = islice(file.iter_batches(batch_size=LOOKED_AT), 1)
            count, table = file.metadata.num_rows, pa.Table.from_batches(first, schema=file.schema_arrow)
    except (pa.ArrowException, OSError):
        return None
    lengths = _lengths(table) if table.num_rows else pa.array([0.0])
    limit, sequences = spec.parameters.get("max_length", 1024), estimates.METHODS[spec.method].sequences
    long = pc.mean(
        pc.cast(pc.greater(lengths, 1.25 * limit * sequences), pa.float64())
    ).as_py()  # an estimate: leave room
    return Rows(count, tuple(table.column_names), pc.mean(lengths).as_py() or 0.0, long or 0.0)


def _lengths(table: pa.Table) -> pa.Array:
    """The estimated tokens of each row: the characters of all its messages, as every sequence repeats its prompt."""
    total = None
    names = [
        name
        for name in table.column_names
        if name in ("messages", "prompt", "completion", "chosen", "rejected")
    ]
    pair = "rejected" in names
    for name in names:
        characters = _characters(table[name])
        if name == "prompt" and pair:
            characters = pc.multiply(characters, 2.0)
        total = characters if total is None else pc.add(total, characters)
    if total is None:
        return pa.array([0.0] * table.num_rows)
    return pc.divide(total, CHARACTERS_A_TOKEN)


def _characters(column: pa.ChunkedArray) -> pa.Array:
    lengths = [
        float(sum(len(message.get("content") or "") for message in value))
        if isinstance(value, list)
        else len(value or "")
        for value in column.to_pylist()
    ]
    return pa.array(lengths, pa.float64())


def _device_gib(launcher: LauncherSettings) -> tuple[float, bool]:
    """The memory of one card, 0 where it is not known; and whether it is a GPU."""
    if launcher.kind != "local":
        return launcher.memory_gib, True
    cards = cards_gib()
    if cards and "cpu" not in launcher.slots:
        return launcher.memory_gib or min(cards), True
    return launcher.memory_gib or _ram_gib(), False


def _ram_gib() -> float:
    """What this machine could still give, by the kernel's own estimate."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / estimates.GIB
    return 0.0


def as_json(check: Check) -> dict[str, Any]:
    """For the API and the command."""
    return {
        "findings": [finding._asdict() for finding in check.findings],
        "rows": check.rows.count if check.rows else None,
        "steps": check.steps,
        "tokens": round(check.tokens),
        "memory_gib": round(check.memory.total, 2) if check.memory else None,
        "device_gib": round(check.device_gib, 2),
        "hours": None if check.seconds is None else round(check.seconds / HOUR, 4),
        "cost": None if check.cost is None else round(check.cost, 2),
    }
