"""Kustomer's address and the region of phone numbers: usable, or one line before anything is tried."""

import pytest

from rasa_kustomer.settings import SettingsError, load_settings


def problem(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    (line,) = raised.value.problems
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.example:port",
        "https://acme.example:99999",
        "https://acme.example:0",
        "https://acme.example:-1",
        "https://acme..example",
        "https://.acme.example",
        "https://acme.example.",
        "https://-acme.example",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 130}example",
        "https://xn--a.example",
        "https://[::1",
        "https://[acme]",
        "https://[fe80::1%25eth0]",
        "https://1.2.3.999",
        "https://ac me.example",
        "https://acme.example /",
        "https://acme%20.example",
        "https://acme\\.example",
        "https://@acme.example",
        "https://user:hunter2@acme.example",
        "https://user:hunter2@\u2100.example",
        "https://acme.example?",
        "https://acme.example#x",
        "https:acme.example",
        "https//acme.example",
        "acme.example",
        "https://",
        "https:///path",
        "http://acme.example",
    ],
)
def test_an_address_that_no_request_can_go_to_is_one_line(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert "hunter2" not in problem(monkeypatch, "KUSTOMER_BASE_URL", url)


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("https://acme.api.kustomerapp.com/", "https://acme.api.kustomerapp.com"),
        ("https://acme.api.kustomerapp.com\r", "https://acme.api.kustomerapp.com"),
        ("https://k\u00fcche.example:8443", "https://k\u00fcche.example:8443"),
        ("https://[fd07::1]:8443", "https://[fd07::1]:8443"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("http://localhost:5056", "http://localhost:5056"),
    ],
)
def test_an_address_that_can_be_used_is(monkeypatch: pytest.MonkeyPatch, url: str, used: str) -> None:
    monkeypatch.setenv("KUSTOMER_BASE_URL", url)

    assert load_settings().api_url == used


@pytest.mark.parametrize(
    ("region", "meant"),
    [
        ("UK", "GB"),
        ("uk", "GB"),
        ("EL", "GR"),
        ("JA", "JP"),
        ("EN", "GB"),
        ("USA", "US"),
        ("+49", "DE"),
        ("0044", "GB"),
    ],
)
def test_a_region_that_is_none_is_refused_with_the_likely_one(
    monkeypatch: pytest.MonkeyPatch, region: str, meant: str
) -> None:
    assert f"write {meant}" in problem(monkeypatch, "KUSTOMER_PHONE_REGION", region)


@pytest.mark.parametrize("region", ["XX", "EU", "AQ", "ZZ", "Germany", "D", "1", "001"])
def test_a_region_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    problem(monkeypatch, "KUSTOMER_PHONE_REGION", region)
    monkeypatch.setenv("KUSTOMER_PHONE_REGION", "gb")
    assert load_settings().phone_region == "GB"
