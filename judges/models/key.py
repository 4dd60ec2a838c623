"""Keys to providers, stored encrypted."""

from django.conf import settings
from django.db import models

from feedback.models import Project


class ProviderKey(models.Model):
    """A project's key to one server: ``encrypted`` with the server's own secret and a ``salt`` of its own.

    Of the secret nothing but ``last4`` is ever shown. The limits are the account's, for servers that do not say them.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="provider_keys")
    provider = models.CharField(max_length=40)
    base_url = models.CharField(max_length=500)
    salt = models.CharField(max_length=32)
    encrypted = models.TextField()
    last4 = models.CharField(max_length=4)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="provider_keys"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("provider", "base_url")
        constraints = (
            models.UniqueConstraint(fields=("project", "provider", "base_url"), name="provider_key_once"),
        )

    def __str__(self) -> str:
        return f"{self.provider} key …{self.last4}"
