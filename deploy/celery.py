"""The Celery application: three queues, and messages that carry nothing but a row's id."""

import os

from celery import Celery
from django.conf import settings
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

app = Celery("concord")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_retry_on_startup=True,
    task_queues=[Queue(name) for name in ("default", "judge", "gpu")],
    task_default_queue="default",
    task_create_missing_queues=False,
    task_ignore_result=True,
    # The row's lease, not the broker, brings back what a dead worker held: the same on every broker.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=10,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    beat_schedule={
        "sweep": {"task": "feedback.tasks.sweep", "schedule": settings.SWEEP_SECONDS},
        "sweep training": {"task": "trainer.tasks.sweep", "schedule": settings.SWEEP_SECONDS},
    },
    beat_schedule_filename=str(settings.VAR / "beat"),
)
if settings.CELERY_BROKER_URL.startswith("sqla"):
    from kombu.transport.sqlalchemy import Transport  # a fifth of a second to import, for this broker only

    # The file-based broker polls once a second, and takes no option for it; a person waits for what it carries.
    Transport.polling_interval = 0.1
elif settings.CELERY_BROKER_URL.startswith("redis"):
    app.conf.broker_transport_options = {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
    }
app.autodiscover_tasks()
