"""Settings: read once, precise about what is wrong, silent about secrets."""

import importlib.util
import itertools
from pathlib import Path

import pytest

from rasa_kustomer.configuration import in_rollout
from rasa_kustomer.settings import Settings, SettingsError, exposed_browser_keys, load_settings

SECRET = "a-key-nobody-may-see"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def problems(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    return raised.value.problems


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KUSTOMER_SUBDOMAIN", "https://acme.kustomerapp.com"),
        ("KUSTOMER_SUBDOMAIN", "acme.eu"),
        ("KUSTOMER_BASE_URL", "http://api.example.com"),
        ("KUSTOMER_BASE_URL", "ftp://x"),
        ("KUSTOMER_BASE_URL", "https://user:hunter2@x.example"),
        ("KUSTOMER_BASE_URL", "https://"),
        ("KUSTOMER_ENABLED", "perhaps"),
        ("KUSTOMER_ROLLOUT_PERCENT", "101"),
        ("KUSTOMER_ROLLOUT_PERCENT", "half"),
        ("KUSTOMER_DEFAULT_PRIORITY", "hot"),
        ("KUSTOMER_DEFAULT_PRIORITY", "6"),
        ("KUSTOMER_PARKING", "queue:"),
        ("KUSTOMER_PARKING", "garage"),
        ("KUSTOMER_RATE_SHARE", "0"),
        ("KUSTOMER_RATE_SHARE", "1.5"),
        ("KUSTOMER_TIMEOUT_SECONDS", "nan"),
        ("KUSTOMER_TIMEOUT_SECONDS", "-1"),
        ("KUSTOMER_CACHE_SIZE", "0"),
        ("KUSTOMER_OUTBOX_URL", "outbox.db"),
        ("KUSTOMER_OUTBOX_URL", "mysql://x:hunter2@x/x"),
        ("KUSTOMER_OUTBOX_URL", "postgres://x:hunter2@x/x"),
        ("KUSTOMER_OUTBOX_URL", "postgresql://x:hunter2@x"),
        ("KUSTOMER_OUTBOX_URL", "postgresql://x:hunter2@hunter2@x/x"),
        ("KUSTOMER_OUTBOX_URL", "postgresql://x:hunter2@x:port/x"),
        ("KUSTOMER_SLOT_EMAIL", "my mail"),
        ("KUSTOMER_PHONE_REGION", "Germany"),
        ("KUSTOMER_CHANNELS", "invoicebot"),
        ("KUSTOMER_CHANNELS", "invoicebot=telegram"),
    ],
)
def test_a_malformed_value_gives_one_line_with_its_variable_and_an_example(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (problem,) = problems(monkeypatch, **{name: value})

    assert problem.startswith(f"{name}: ")
    assert f"Example: {name}=" in problem
    assert "\n" not in problem
    assert "hunter2" not in problem


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(problems(monkeypatch, KUSTOMER_PARKING="x", KUSTOMER_RATE_SHARE="x", KUSTOMER_CACHE_SIZE="x")) == 3


def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_API_KEY", SECRET)
    settings = load_settings()
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == SECRET

    shown = [repr(settings), str(settings), settings.model_dump_json(), *problems(monkeypatch, KUSTOMER_PARKING="x")]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize("odd", [" ", "\t", "\n", "\x1b", "\x7f", "é", "\u200b", "\u00a0"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    (problem,) = problems(monkeypatch, KUSTOMER_API_KEY=f"{SECRET}{odd}rest-of-it")

    assert problem.startswith("KUSTOMER_API_KEY: ")
    assert SECRET not in problem
    assert "rest-of-it" not in problem


@pytest.mark.parametrize(("value", "key"), [(f" {SECRET}\r\n", SECRET), (" \t", None)])
def test_blanks_around_the_key_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch, value: str, key: str | None) -> None:
    monkeypatch.setenv("KUSTOMER_API_KEY", value)
    monkeypatch.setenv("KUSTOMER_SUBDOMAIN", "acme")
    settings = load_settings()

    assert (settings.api_key and settings.api_key.get_secret_value()) == key
    assert settings.disabled_reason == (None if key else "KUSTOMER_API_KEY not set")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot:hunter%402@db.example:5432/kustomer?ssl=require",
        "postgresql://bot:hunter2@[::1]/kustomer",
        "postgresql://bot:hunter2@/kustomer?host=/run/postgresql",
        "postgresql:///kustomer?user=bot&password=hunter2",
    ],
)
def test_the_password_of_the_outbox_is_never_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", url)
    settings = load_settings()

    assert settings.outbox_url == url
    shown = [repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())]
    assert not [text for text in shown if "hunter" in text]


def test_postgresql_without_its_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "psycopg" else found(name))

    (problem,) = problems(monkeypatch, KUSTOMER_OUTBOX_URL="postgresql://bot:hunter2@db/kustomer")

    assert 'pip install "rasa-kustomer[postgres]"' in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("url", ["http://127.0.0.1:5056", "http://localhost:1", "http://[::1]:1", "https://x.example/"])
def test_plain_http_is_for_this_machine_only(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("KUSTOMER_BASE_URL", url)

    assert load_settings().api_url == url.rstrip("/")


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("KUSTOMER_SUBDOMAIN=Acme\nKUSTOMER_DEFAULT_PRIORITY=urgent\n")
    monkeypatch.setenv("KUSTOMER_DEFAULT_PRIORITY", "low")

    settings = load_settings()

    assert settings.api_url == "https://acme.api.kustomerapp.com"
    assert (settings.default_priority, settings.parking) == (2, "assign-bot")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "KUSTOMER_API_KEY and KUSTOMER_SUBDOMAIN not set"),
        ({"KUSTOMER_API_KEY": "k"}, "KUSTOMER_SUBDOMAIN not set"),
        ({"KUSTOMER_SUBDOMAIN": "acme"}, "KUSTOMER_API_KEY not set"),
        (
            {"KUSTOMER_API_KEY": "k", "KUSTOMER_SUBDOMAIN": "acme", "KUSTOMER_ENABLED": "false"},
            "KUSTOMER_ENABLED is false",
        ),
        ({"KUSTOMER_API_KEY": "k", "KUSTOMER_SUBDOMAIN": "acme"}, None),
    ],
)
def test_why_the_plugin_is_off(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], reason: str | None) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    assert load_settings().disabled_reason == reason


def test_variables_of_a_front_end_build_are_not_read_but_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITE_KUSTOMER_API_KEY", SECRET)

    assert load_settings().api_key is None
    assert exposed_browser_keys() == ["VITE_KUSTOMER_API_KEY"]


def test_every_setting_explains_itself() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.examples, name


def test_the_rollout_is_sticky_grows_without_swapping_and_holds_its_share() -> None:
    senders = [f"sender-{number}" for number in range(4_000)]
    served = [{one for one in senders if in_rollout(one, percent)} for percent in (0, 10, 50, 100)]

    assert all(smaller <= larger for smaller, larger in itertools.pairwise(served))
    assert (len(served[0]), len(served[3])) == (0, 4_000)
    assert 300 < len(served[1]) < 500
    assert 1_850 < len(served[2]) < 2_150
