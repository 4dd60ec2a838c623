"""What the commands share: following a job from its row until it ends, whoever carries it out."""

import time
from collections.abc import Callable

from django.core.management.base import CommandError

from feedback.models import UNFINISHED, Job, JobState


def wait_for(job: Job, describe: Callable[[], str], write: Callable[[str], object]) -> None:
    """Write each change of ``describe()`` until the job has ended. CommandError where it did not succeed."""
    said = ""
    while True:
        job.refresh_from_db()
        line = describe()
        if line != said:
            write(line)
            said = line
        if job.state not in UNFINISHED:
            break
        time.sleep(1)
    if job.state != JobState.SUCCEEDED:
        raise CommandError(said)
