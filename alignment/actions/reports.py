"""Agreement reports: measured from a project's judgments, frozen, found again by what they were made from."""

from collections.abc import Callable

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from alignment.actions.measures import report_body
from alignment.models import AgreementReport
from alignment.queries import REPORT_TASK, Judgments, load_judgments
from alignment.surroundings import load_surroundings
from feedback.actions.audit import record
from feedback.actions.jobs import Lease, queue_job
from feedback.errors import Refused
from feedback.hashing import content_sha256
from feedback.models import Job, JobState, Project
from feedback.people import Person

# Part of the hash of a report's inputs: counted up when the same judgments come to be measured otherwise.
MEASURES_VERSION = 4


def compute_report(*, project: Project, by: Person) -> AgreementReport:
    """The agreement between the project's raters now; on judgments measured before, the report made then.

    Refused where the project has no judgment. Slow for a million judgments: then ask for it as a job.
    """
    return report_on(load_judgments(project), project=project, by=by)


def report_on(
    judgments: Judgments, *, project: Project, by: Person, alive: Callable[[], None] = lambda: None
) -> AgreementReport:
    """The same for judgments that are already loaded; ``alive`` is called while measuring, often."""
    if not judgments.count:
        raise Refused(
            _("%(project)s has no judgments yet, so there is nothing to compare: import or collect some.")
            % {"project": project.name}
        )
    around = load_surroundings(project, judgments, alive)
    inputs = content_sha256(
        {"measures": MEASURES_VERSION, "judgments": judgments.sha256(), "surroundings": around.sha256()}
    )
    made = AgreementReport.objects.filter(project=project, inputs_sha256=inputs).first()
    return made or _freeze(report_body(judgments, around, alive), inputs, project, by)


def request_report(*, project: Project, by: Person) -> Job:
    """Have a worker measure the agreement; the job that waits to do so already, if there is one."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)  # asked for twice at once, it is still one job
        waiting = Job.objects.filter(project=project, task=REPORT_TASK, state=JobState.QUEUED).first()
        return waiting or queue_job(project=project, task=REPORT_TASK, queue="default", by=by)


def carry_out_report(lease: Lease) -> None:
    """The work of ``request_report``; started again, it ends in the same report."""
    job = Job.objects.select_related("project", "created_by").get(pk=lease.job_id)
    lease.report(message=gettext_noop("Measuring the agreement between raters."))
    judgments = load_judgments(job.project)
    report = report_on(judgments, project=job.project, by=job.created_by, alive=lease.report)
    lease.report(done=1, total=1, message=f"Made {report}.")


def _freeze(body: dict[str, object], inputs: str, project: Project, by: Person) -> AgreementReport:
    sha256 = content_sha256({"inputs": inputs, "body": body})
    with transaction.atomic():
        report, created = AgreementReport.objects.get_or_create(
            project=project, sha256=sha256, defaults={"inputs_sha256": inputs, "body": body}
        )
        if created:
            record(by=by, verb="measure", target=report, project=project, sha256=sha256)
    return report
