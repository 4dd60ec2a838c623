from django.apps import AppConfig


class DeployConfig(AppConfig):
    """The Django project package as an app: the commands and base templates that belong to no single room."""

    name = "deploy"

    def ready(self) -> None:
        """Make our Celery app the current one, so that pages and commands alike can send messages."""
        from deploy import celery  # noqa: F401  importing it is all that is needed
