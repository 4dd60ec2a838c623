"""New responses into the store: sampled from a model version or asked of a provider, and paired into comparisons."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.models import Comparison, Project, Prompt, Purpose, Tag
from feedback.people import Person
from judges.actions.asking import BudgetReached, ProviderStopped, Stop, beating, open_asker
from judges.actions.keys import limits_of, provider_of
from judges.actions.ledger import Call
from judges.actions.pricing import Prices
from judges.core.providers import Failure, Provider
from judges.models import Judge
from trainer.actions.inference import Texts, generate_spec, respond, write_prompts
from trainer.actions.model_versions import check_model_folder
from trainer.actions.new_comparisons import store_responses
from trainer.drawing import shuffled
from trainer.folders import generation_folder, model_folder
from trainer.models import Generation, ModelKind, ModelVersion
from trainer.sampling import SampleLedger, plain_call

PROVIDERS = ("openai", "anthropic")
MOST_SAMPLES = 64


def start_generation(
    *,
    project: Project,
    by: Person,
    model_version: ModelVersion | None = None,
    provider: str = "",
    model: str = "",
    provider_settings: Mapping[str, Any] | None = None,
    tag: Tag | None = None,
    most_prompts: int | None = None,
    samples: int = 2,
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    budget: Decimal | None = None,
) -> Generation:
    """Queue ``samples`` new responses to each of the project's prompts, of one tag or all, at most ``most_prompts``.

    Either a ``model_version`` answers, with the ``parameters`` of the runner's ``generate``, or a ``provider``'s
    ``model``, within ``budget`` dollars. Refused names the field at fault.
    """
    if not 1 <= samples <= MOST_SAMPLES:
        raise Refused(
            _("Ask for 1 to %(most)s responses a prompt.") % {"most": MOST_SAMPLES}, field="samples"
        )
    generation = Generation(
        project=project,
        model_version=model_version,
        provider=provider,
        model=model.strip(),
        provider_settings=dict(provider_settings or {}),
        source=model_version.name if model_version else model.strip(),
        tag=tag,
        most_prompts=most_prompts,
        parameters={**(parameters or {}), "samples": samples},
        seed=seed,
        budget=budget,
        created_by=by,
    )
    if model_version is not None:
        _check_version(generation, model_version)
    else:
        _check_provider(generation)
    if not prompts_for(generation):
        raise Refused(_("There is no prompt to answer; import some, or choose another tag."), field="tag")
    with transaction.atomic():
        queue = "gpu" if model_version else "judge"
        generation.job = queue_job(
            project=project, task="trainer.tasks.perform_generation", queue=queue, by=by
        )
        generation.save()
        record(by=by, verb="start generation", target=generation, project=project, source=generation.source)
    return generation


def prompts_for(generation: Generation) -> list[Prompt]:
    """The prompts to be answered: drawn by the seed, the same ones each time."""
    chosen = Comparison.objects.filter(project=generation.project, purpose=Purpose.TRAIN, retired_at=None)
    if generation.tag_id:
        chosen = chosen.filter(tags=generation.tag_id)
    hashes = set(chosen.values_list("prompt__sha256", flat=True))
    wanted = shuffled(hashes, generation.seed, str)[: generation.most_prompts]
    found: dict[str, Prompt] = {}
    for start in range(0, len(wanted), 500):
        rows = Prompt.objects.filter(project=generation.project, sha256__in=wanted[start : start + 500])
        found |= {row.sha256: row for row in rows}
    return [found[sha256] for sha256 in wanted]


def carry_out_generation(lease: Lease) -> None:
    """Sample or ask, and store; started again it goes on from what is there."""
    generation = Generation.objects.select_related("project", "model_version__project", "job").get(
        job_id=lease.job_id
    )
    prompts = _frozen_prompts(generation)
    if generation.model_version:
        texts = _sampled(generation, generation.model_version, prompts, lease)
    else:
        texts = _asked(generation, prompts, lease)
    lease.report(message=gettext_noop("Storing the comparisons."))
    store_responses(generation, prompts, texts)


def _check_version(generation: Generation, version: ModelVersion) -> None:
    if version.project_id != generation.project.pk or version.kind != ModelKind.POLICY:
        raise Refused(
            _("%(name)s gives no responses in this project.") % {"name": version.name}, field="model_version"
        )
    check_model_folder(version.project, model_folder(version))
    generation.parameters = dict(generate_spec(version, generation.seed, generation.parameters).parameters)


def _check_provider(generation: Generation) -> None:
    if generation.provider not in PROVIDERS:
        raise Refused(
            _("Choose a model version, or a provider: %(known)s.") % {"known": ", ".join(PROVIDERS)},
            field="provider",
        )
    if not generation.model:
        raise Refused(_("Name the provider's model."), field="model")
    asked = _as_judge(generation)
    provider = provider_of(asked)  # which refuses a server that is not allowed
    if generation.budget is not None and not Prices.of(asked, provider).bounded:
        raise Refused(
            _("Nobody knows what %(model)s costs, so no budget can be kept; leave it empty.")
            % {"model": generation.model},
            field="budget",
        )


def _as_judge(generation: Generation) -> Judge:
    """Not stored: the project's keys, limits and prices are found by what a judge has."""
    return Judge(
        project=generation.project,
        name=generation.source,
        provider=generation.provider,
        model=generation.model,
        settings=generation.provider_settings,
    )


def _frozen_prompts(generation: Generation) -> list[Prompt]:
    """Those chosen by the first attempt, whatever was imported since."""
    path = generation_folder(generation) / "prompts.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps([prompt.pk for prompt in prompts_for(generation)]))
        part.replace(path)
    ids = json.loads(path.read_text())
    found: dict[int, Prompt] = {}
    for start in range(0, len(ids), 500):
        found |= Prompt.objects.in_bulk(ids[start : start + 500])
    return [found[pk] for pk in ids if pk in found]


def _sampled(generation: Generation, version: ModelVersion, prompts: Sequence[Prompt], lease: Lease) -> Texts:
    folder = generation_folder(generation)
    write_prompts(folder, [prompt.messages for prompt in prompts])
    spec = generate_spec(version, generation.seed, generation.parameters)
    return respond(version, folder / "samples", spec, lease)


def _asked(generation: Generation, prompts: Sequence[Prompt], lease: Lease) -> Texts:
    """Ask the provider until the budget has no more room; what earlier attempts were answered is not asked again."""
    judge = _as_judge(generation)
    provider = provider_of(judge)
    path = generation_folder(generation) / "replies.jsonl"
    ledger = SampleLedger.read(path, Prices.of(judge, provider), generation.budget)
    calls = {
        (place, sample): plain_call(
            generation.provider, generation.model, generation.provider_settings, prompt.messages, sample
        )
        for place, prompt in enumerate(prompts)
        for sample in range(generation.parameters["samples"])
    }
    left = [call for call in calls.values() if call.sha256 not in ledger.texts]
    stop = Stop()
    lease.report(message=gettext_noop("Asking for responses."))
    try:
        async_to_sync(_ask)(left, provider, ledger, limits_of(judge, provider), stop, lease, len(calls))
    except Failure as failure:
        raise Refused(str(failure)) from None
    finally:
        Generation.objects.filter(pk=generation.pk).update(spent=ledger.spent, held=ledger.held)
    if isinstance(stop.reason, BudgetReached):
        Generation.objects.filter(pk=generation.pk).update(made={"budget_reached": True})
    elif isinstance(stop.reason, ProviderStopped):
        raise Refused(str(stop.reason))
    elif stop.reason is not None:
        raise stop.reason
    lease.renew(len(ledger.texts), len(calls))
    return {key: ledger.texts.get(call.sha256) for key, call in calls.items()}


async def _ask(
    calls: Sequence[Call],
    provider: Provider,
    ledger: SampleLedger,
    limits: Mapping[str, float],
    stop: Stop,
    lease: Lease,
    total: int,
) -> None:
    async with (
        open_asker(provider, stop, ledger.store, limits) as asker,
        beating(lease, stop, lambda: (len(ledger.texts), total)),
    ):
        await asyncio.gather(*(stop.guard(asker.reply_to(call)) for call in calls))
