"""Keys to providers: from the environment, or a project's own, stored encrypted and never shown again."""

import base64
import re
import secrets

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction

from feedback.actions.audit import record
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import Person
from judges.actions.hosts import check_host
from judges.core.providers import PROVIDERS, BadSettings, Key, Provider, provider_for
from judges.models import Judge, ProviderKey

INFO = b"concord provider keys"
SHORTEST, LONGEST = 8, 500  # characters
_SECRET = re.compile(r"[!-~]+")


def store_key(
    *,
    project: Project,
    provider: str,
    secret: str,
    base_url: str = "",
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    by: Person,
) -> ProviderKey:
    """Store the project's key to a provider's server, its own or that of ``base_url``, in place of an earlier one.

    The limits are those of the account, where the server does not say them itself.
    """
    secret = secret.strip()
    if not SHORTEST <= len(secret) <= LONGEST or not _SECRET.fullmatch(secret):
        raise Refused(
            f"A key is {SHORTEST} to {LONGEST} letters, digits and signs without spaces; copy it whole.",
            field="secret",
        )
    server = _server(provider, base_url)
    salt = secrets.token_hex(16)
    values = {
        "salt": salt,
        "encrypted": _fernet(settings.SECRET_KEY, salt).encrypt(secret.encode()).decode(),
        "last4": secret[-4:],
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "created_by": by,
    }
    with transaction.atomic():
        key, _ = ProviderKey.objects.update_or_create(
            project=project, provider=provider, base_url=server, defaults=values
        )
        record(by=by, verb="store key", target=key, project=project, server=server, last4=key.last4)
    return key


def delete_key(*, key: ProviderKey, by: Person) -> None:
    """Forget a key. Runs that are under way go on with it until they end."""
    with transaction.atomic():
        record(
            by=by, verb="delete key", target=key, project=key.project, server=key.base_url, last4=key.last4
        )
        key.delete()


def provider_of(judge: Judge) -> Provider:
    """The judge's provider with the project's key to its server, else the environment's.

    Refused: settings that can not be used, a host that is not allowed, a key that can not be read any more.
    """
    provider = checked_provider(judge.provider, judge.settings)
    stored = _stored_key(judge, provider)
    if stored is None:
        return provider
    return provider_for(judge.provider, judge.settings, key=Key(_decrypted(stored), stored.base_url))


def checked_provider(name: str, judge_settings: dict[str, object]) -> Provider:
    """The provider made from a judge's settings, at a host that is allowed. Refused, naming the field at fault."""
    try:
        provider = provider_for(name, judge_settings)
    except BadSettings as bad:
        raise Refused(f"The judge's {bad}", field="settings") from None
    check_host(provider)
    return provider


def limits_of(judge: Judge, provider: Provider) -> dict[str, float]:
    """The limits a minute that were stored with the key, for a Pacer."""
    stored = _stored_key(judge, provider)
    if stored is None:
        return {}
    given = {"requests": stored.requests_per_minute, "tokens": stored.tokens_per_minute}
    return {kind: float(limit) for kind, limit in given.items() if limit}


def _stored_key(judge: Judge, provider: Provider) -> ProviderKey | None:
    base_url = getattr(provider, "base_url", None)
    if base_url is None:
        return None
    return ProviderKey.objects.filter(
        project=judge.project_id, provider=judge.provider, base_url=base_url
    ).first()


def _server(provider: str, base_url: str) -> str:
    if getattr(PROVIDERS.get(provider), "free", False):
        raise Refused(f"The provider {provider!r} takes no key.", field="provider")
    try:
        made = provider_for(provider, {"base_url": base_url} if base_url else {})
    except BadSettings as bad:
        raise Refused(f"The key's {bad}", field="base_url" if base_url else "provider") from None
    check_host(made)
    return str(getattr(made, "base_url", ""))


def _decrypted(key: ProviderKey) -> str:
    """The secret. A server whose SECRET_KEY was changed still reads what its earlier ones wrote, where it has them."""
    secrets_then_and_now = [str(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    for secret in secrets_then_and_now:
        try:
            return _fernet(secret, key.salt).decrypt(key.encrypted.encode()).decode()
        except InvalidToken:
            continue
    raise Refused(
        f"The stored key to {key.base_url} can not be read, since this server's SECRET_KEY has changed; store it again."
    )


def _fernet(secret: str, salt: str) -> Fernet:
    """By HKDF (RFC 5869) from the server's secret, with each row's own salt."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=bytes.fromhex(salt), info=INFO).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
