"""Settings: read strictly, explained by name, and as the README has them."""

from pathlib import Path

import pytest

from service.settings import Secret, Settings, SettingsError, describe_settings, read_settings

README = Path(__file__).parent.parent / "README.md"


def test_every_field_is_read_from_its_variable() -> None:
    settings = read_settings(
        {
            "VITRINE_PORT": "8080",
            "VITRINE_STORE_TIMEOUT": "1.5",
            "VITRINE_ACCESS_LOG": "true",
            "VITRINE_TOKENS": "static",
            "VITRINE_DISK_FORMATS": "raw, qcow2,",
            "VITRINE_KEYSTONE_PASSWORD": "hunter2",
            "VITRINE_PUBLIC_ENDPOINT": "",
            "PATH": "/bin",
        }
    )
    assert (settings.port, settings.store_timeout, settings.access_log) == (8080, 1.5, True)
    assert (settings.tokens, settings.disk_formats) == ("static", ("raw", "qcow2"))
    assert settings.keystone_password is not None
    assert settings.keystone_password.reveal() == "hunter2"
    assert settings.public_endpoint is None


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings({}).port == Settings().port == 9292


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("VITRINE_PORT", "many"),
        ("VITRINE_PORT", "65536"),
        ("VITRINE_STORE_POOL", "0"),
        ("VITRINE_STORE_TIMEOUT", "-1"),
        ("VITRINE_ACCESS_LOG", "perhaps"),
        ("VITRINE_TOKENS", "ldap"),
        ("VITRINE_KEYSTONE_URL", "keystone.example"),
        ("VITRINE_KEYSTONE_URL", "https://user:hunter2@keystone.example/v3"),
        ("VITRINE_LOG_LEVEL", "loud"),
        ("VITRINE_USER_STORAGE_QUOTA", "10 GB"),
        ("VITRINE_USER_STORAGE_QUOTA", "-1"),
        ("VITRINE_USER_STORAGE_QUOTA", "1PB"),
        ("VITRINE_WORKERS", "0"),
        ("VITRINE_CORS_ALLOWED_ORIGINS", "*"),
        ("VITRINE_CORS_ALLOWED_ORIGINS", "https://horizon.example/"),
    ],
)
def test_a_malformed_value_stops_the_start_by_name(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable} is malformed: "):
        read_settings({variable: text})


def test_a_url_that_clients_are_told_holds_no_password() -> None:
    with pytest.raises(SettingsError) as refusal:
        read_settings({"VITRINE_WWW_AUTHENTICATE_URI": "https://user:hunter2@keystone.example/v3"})
    assert "hunter2" not in str(refusal.value)


def test_an_unknown_name_stops_the_start_and_suggests_the_known_one() -> None:
    with pytest.raises(SettingsError, match=r"VITRINE_STROE is not a setting. Did you mean VITRINE_STORE\?"):
        read_settings({"VITRINE_STROE": "memory://"})


def test_secrets_are_never_printed() -> None:
    settings = read_settings(
        {"VITRINE_STORE": "postgresql://u:hunter2@h/d", "VITRINE_KEYSTONE_PASSWORD": "hunter2", "VITRINE_PORT": "1"}
    )
    assert "hunter2" not in f"{settings!r} {settings} {settings.store} {settings.store!r}"
    assert settings.store.reveal() == "postgresql://u:hunter2@h/d"


def test_whatever_is_named_like_a_secret_is_one() -> None:
    named = [name for name in Settings.__struct_fields__ if name.endswith(("password", "secret"))]
    assert len(named) == 2
    settings = read_settings({f"VITRINE_{name.upper()}": "x" for name in named})
    assert all(isinstance(getattr(settings, name), Secret) for name in named)


def test_the_readme_has_every_setting_with_its_default_and_its_sentence() -> None:
    table = [
        f"| `{each.variable}` | {each.default and f'`{each.default}`'} | {each.sentence} |"
        for each in describe_settings()
    ]
    lines = [line for line in README.read_text().splitlines() if line.startswith("| `VITRINE_")]
    assert lines == table
