"""What stands in `.env` and in the environment is read as it was meant, or named."""

from pathlib import Path

import pytest

from rasa_kustomer.settings import Settings, SettingsError, doubtful_variables, load_settings

HIDDEN = "KUSTOMER_NOTE_HIDDEN_SLOTS"


@pytest.fixture(autouse=True)
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


def problems() -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert not [line for line in raised.value.problems if "\n" in line]
    return raised.value.problems


@pytest.mark.parametrize(
    "line",
    [
        f"\ufeff{HIDDEN}=iban",
        f"\u200b{HIDDEN}=iban",
        f"\u00a0{HIDDEN} = iban ",
        f"export {HIDDEN}=iban",
        f"'{HIDDEN}'=iban",
        "KUSTOMER_\u200bNOTE_HIDDEN_SLOTS=iban",
        f"{HIDDEN.lower()}=iban",
        f'{HIDDEN}="iban"',
        f"{HIDDEN}='\"iban\"'",
        f"{HIDDEN}=\u201ciban\u201d",
        f"{HIDDEN}=iban # a secret",
        f"OTHER=1\r{HIDDEN}=iban",
        f"# {HIDDEN}=other\n{HIDDEN}=iban\r\n",
    ],
)
def test_a_line_is_read_as_it_was_meant(env: Path, line: str) -> None:
    env.write_bytes(line.encode())

    assert load_settings().note_hidden_slots == ("iban",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"A=1\n{HIDDEN}", 2),
        (f"{HIDDEN} iban", 1),
        (f"{HIDDEN}: iban", 1),
        (f"{HIDDEN}:iban", 1),
        (f"\n\n{HIDDEN}\uff1diban", 3),
        (f'{HIDDEN}="iban', 1),
        (f'{HIDDEN}="password","iban"', 1),
        (f"{HIDDEN}='iban\nA=1", 1),
        (f'A="x\n{HIDDEN}=iban\nB="y"', 2),
        (f'A="x\n{HIDDEN}=iban\nB="', 2),
        (f"A=1\n- {HIDDEN}=iban", 2),
        (f'$env:{HIDDEN}="iban"', 1),
        (f"\ufeff\ufeffexport {HIDDEN} iban", 1),
        (f"set {HIDDEN}=iban", 1),
        (f"A=1\u2028{HIDDEN}=iban", 2),
        (f"A=1\u0085{HIDDEN}=iban", 2),
        (f"{HIDDEN.replace('_HIDDEN', '-HIDDEN')}=iban", 1),
        (f"{HIDDEN}=password\nA=1\n{HIDDEN}=iban", 3),
        (f"{HIDDEN}=${{NOT_SET_ANYWHERE}}", 1),
    ],
)
def test_a_line_of_ours_that_cannot_be_read_stops_the_start_and_is_named(env: Path, text: str, line: int) -> None:
    env.write_text(text, encoding="utf-8", newline="")

    assert any(one.startswith(f".env:{line}: ") for one in problems())
    env.write_text(f"{HIDDEN}=iban")
    assert load_settings().note_hidden_slots == ("iban",)


@pytest.mark.parametrize(
    "text",
    [
        "OTHER",
        'OTHER="not closed',
        "VITE_KUSTOMER_API_KEY: x",
        "MY_KUSTOMER_X",
        "# KUSTOMER_API_KEY",
        "OTHER=${KUSTOMER_X}",
        "URL=https://x.example/?a=KUSTOMER_X",
        "OTHER='a\n# KUSTOMER_API_KEY=x\n'",
    ],
)
def test_lines_of_other_programs_are_not_ours_to_judge(env: Path, text: str) -> None:
    env.write_text(f"{text}\nKUSTOMER_SUBDOMAIN=acme\n")

    assert load_settings().subdomain == "acme"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (f"{HIDDEN}=iban".encode("utf-16"), "UTF-16"),
        (f"{HIDDEN}=iban".encode("utf-16-le"), "UTF-16"),
        (f"A=1\n{HIDDEN}=\xe9".encode("latin-1"), "line 2"),
    ],
)
def test_a_file_in_another_encoding_is_called_that(env: Path, data: bytes, words: str) -> None:
    env.write_bytes(data)

    (problem,) = problems()
    assert problem.startswith(".env is not UTF-8 text")
    assert words in problem
    env.write_text(f"{HIDDEN}=iban", encoding="utf-8-sig")
    assert load_settings().note_hidden_slots == ("iban",)


def test_something_else_than_a_file_is_called_that(env: Path) -> None:
    env.mkdir()
    (problem,) = problems()
    assert problem.startswith(".env is a folder")

    (env / "pyvenv.cfg").touch()  # somebody's virtual environment is not ours to judge
    assert load_settings() == Settings()

    (env / "pyvenv.cfg").unlink()
    env.rmdir()
    env.symlink_to("nowhere")
    (problem,) = problems()
    assert problem.startswith(".env is a link")


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
@pytest.mark.parametrize(
    "around",
    [" {} ", "\t{}\r\n", "\ufeff{}\u200b", "\u2060{}\u00ad", '"{}"', "'{}'", '" {}"\r', "\u00a0\u201c{}\u201d"],
)
def test_what_does_not_show_around_a_value_is_no_part_of_it_nor_are_quotes(
    monkeypatch: pytest.MonkeyPatch, name: str, around: str
) -> None:
    example = Settings.model_fields[name].examples
    assert example
    value = "a-key" if name == "api_key" else str(example[0])
    monkeypatch.setenv(f"KUSTOMER_{name.upper()}", value)
    plain = load_settings()

    monkeypatch.setenv(f"KUSTOMER_{name.upper()}", around.format(value))
    assert load_settings() == plain
    assert name in load_settings().model_fields_set


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - {"default_team_id"}))
@pytest.mark.parametrize("odd", ["\x1b", "\u200b", "\u2028", "\udcff", "\n"])
def test_what_does_not_show_within_a_value_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, odd: str) -> None:
    monkeypatch.setenv(f"KUSTOMER_{name.upper()}", f"ab{odd}cd")

    (problem,) = problems()
    assert problem.startswith(f"KUSTOMER_{name.upper()}: contains an invisible character")


@pytest.mark.parametrize("name", ["api_key", "organization_id", "subdomain", "parking", "outbox_url", "base_url"])
def test_a_quote_at_one_end_only_is_said(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"KUSTOMER_{name.upper()}", '"https://acme.example')

    (problem,) = problems()
    assert problem.startswith(f"KUSTOMER_{name.upper()}: ")


def test_a_name_in_the_environment_may_have_a_mark_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"\ufeff{HIDDEN}", "iban")

    assert load_settings().note_hidden_slots == ("iban",)


@pytest.mark.parametrize("name", ["KUSTOMER_NOTE_HIDDEN_SLOT", "KUSTOMER_HIDDEN_SLOTS", "KUSTOMR_NOTE_HIDDEN_SLOTS"])
def test_a_misspelt_name_of_the_hidden_slots_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, env: Path, name: str
) -> None:
    monkeypatch.setenv(name, "iban")
    (problem,) = problems()
    assert f"did you mean {HIDDEN}?" in problem

    monkeypatch.delenv(name)
    env.write_text(f"{name}=iban\n")
    (problem,) = problems()
    assert f"did you mean {HIDDEN}?" in problem

    env.write_text(f"VITE_{HIDDEN}=iban\n")  # another program's
    load_settings()


def test_names_that_are_none_of_ours_are_found_with_the_nearest(monkeypatch: pytest.MonkeyPatch, env: Path) -> None:
    env.write_text("KUSTOMER_SUBDOMIAN=acme\nKUSTOMER_PARKING=none\nKUSTOMER_PARKING=assign-bot\n")
    monkeypatch.setenv("KUSTOMER_ENABLE", "true")
    monkeypatch.setenv("KUSTOMR_RATE_SHARE", "1")
    monkeypatch.setenv("KUSTOMER_PORT_80_TCP", "tcp://10.0.0.1:80")
    lines = doubtful_variables()

    assert ".env:3: KUSTOMER_PARKING is also set on line 2; the last one counts" in lines
    assert "KUSTOMER_SUBDOMIAN (.env:1) is not a setting of the plugin; did you mean KUSTOMER_SUBDOMAIN?" in lines
    assert any(line.startswith("KUSTOMER_ENABLE (the environment)") and "KUSTOMER_ENABLED?" in line for line in lines)
    assert any(line.startswith("KUSTOMR_RATE_SHARE") and "KUSTOMER_RATE_SHARE?" in line for line in lines)
    assert any(line.startswith("KUSTOMER_PORT_80_TCP") and ".env.template" in line for line in lines)
    assert len(lines) == 5
    load_settings()


@pytest.mark.parametrize(
    ("enabled", "key", "because"),
    [
        ("false", "key", "KUSTOMER_ENABLED is false"),
        (" 'False' ", "key", "KUSTOMER_ENABLED is false"),
        ("true", "key", None),
        ("perhaps", "key", None),
        ("true", "ke\u200by", None),  # a key that cannot be used is not the same as none
        ("true", "", "KUSTOMER_API_KEY not set"),
        ("true", " '' ", "KUSTOMER_API_KEY not set"),
        ("perhaps", "", "KUSTOMER_API_KEY not set"),
    ],
)
def test_while_it_is_off_whatever_is_wrong_problems_are_known_as_such(
    monkeypatch: pytest.MonkeyPatch, enabled: str, key: str, because: str | None
) -> None:
    monkeypatch.setenv("KUSTOMER_PARKING", "garage")
    monkeypatch.setenv("KUSTOMER_ENABLED", enabled)
    monkeypatch.setenv("KUSTOMER_API_KEY", key)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.disabled_reason == because


def test_a_line_that_was_meant_as_a_key_is_not_taken_for_no_key(env: Path) -> None:
    env.write_text("KUSTOMER_API_KEY secret\n")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.disabled_reason is None

    env.write_text("KUSTOMER_PARKING none\n")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.disabled_reason == "KUSTOMER_API_KEY not set"
