"""Team names into ids: one list for a while, and a sentence where there is no such team."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.helpers import no_sleep

from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, Unreachable
from rasa_kustomer.teams import Teams

TTL = 300.0
SUPPORT, CARE, OLD = "5f0c3a9be4b0f20012ab3401", "5f0c3a9be4b0f20012ab3402", "5f0c3a9be4b0f20012ab3403"
ELSEWHERE = "5f0c3a9be4b0f20012ab34ff"


def team(team_id: str, name: str, **more: Any) -> dict[str, Any]:
    return {"id": team_id, "attributes": {"name": name, **more}}


class Organisation:
    """Kustomer's list of teams, and the clock."""

    def __init__(self) -> None:
        self.now, self.asked, self.status = 1000.0, 0, 200
        self.teams = [team(SUPPORT, "Support"), team(CARE, "care-team", displayName="Care"), team(OLD, "Old")]
        self.teams[2]["attributes"]["deleted"] = True

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(self.status, json={"data": self.teams})


@pytest.fixture
def organisation() -> Organisation:
    return Organisation()


@pytest.fixture
async def teams(organisation: Organisation) -> AsyncIterator[Teams]:
    transport = httpx.MockTransport(organisation)
    async with KustomerClient("https://x.example", "key", transport=transport, sleep=no_sleep) as client:
        yield Teams(client, ttl_seconds=TTL, now=lambda: organisation.now)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Support", SUPPORT),
        (" sUPPORT ", SUPPORT),
        ("Sup\u200bport", SUPPORT),
        ("\uff23\uff21\uff32\uff25", CARE),
        ("care\u2010team", None),
        (SUPPORT, SUPPORT),
        (SUPPORT.upper(), SUPPORT),
        ("care-team", CARE),
        ("CARE", CARE),
        ("Old", None),
        (OLD, None),
        ("Moon", None),
        (ELSEWHERE, None),
        ("Suppor", None),
    ],
)
async def test_a_team_is_known_by_id_name_and_display_name_unless_it_was_deleted(
    teams: Teams, wanted: str, found: str | None
) -> None:
    assert await teams.id_of(wanted) == found


async def test_the_list_is_read_once_and_again_when_its_time_is_over(teams: Teams, organisation: Organisation) -> None:
    await teams.id_of("Support")
    organisation.teams.append(team(ELSEWHERE, "Moon"))
    organisation.now += TTL - 0.1
    assert await teams.id_of("Moon") is None
    assert organisation.asked == 1

    organisation.now += 0.1
    assert await teams.id_of("Moon") == ELSEWHERE
    assert organisation.asked == 2


async def test_an_organisation_without_teams_is_not_asked_each_time(teams: Teams, organisation: Organisation) -> None:
    organisation.teams = []
    assert [await teams.id_of("Support") for _ in range(3)] == [None] * 3
    assert organisation.asked == 1


@pytest.mark.parametrize("status", [403, 402, 404])
async def test_without_the_role_ids_work_and_names_do_not(
    teams: Teams, organisation: Organisation, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    organisation.status = status

    assert await teams.id_of(ELSEWHERE) == ELSEWHERE
    assert caplog.text == ""
    assert await teams.id_of("Support") is None
    assert "Team names cannot be resolved: " in caplog.text


@pytest.mark.parametrize(("status", "kind"), [(401, KeyRefused), (503, Unreachable)])
async def test_a_list_that_cannot_be_had_just_now_is_no_missing_team(
    teams: Teams, organisation: Organisation, status: int, kind: type[Exception]
) -> None:
    organisation.status = status
    for wanted in ("Support", SUPPORT):
        with pytest.raises(kind):
            await teams.id_of(wanted)

    organisation.status = 200
    assert await teams.id_of("Support") == SUPPORT, "and is not remembered"


@pytest.mark.parametrize(
    ("wanted", "default", "picked", "problem"),
    [
        ("Care", "Support", CARE, None),
        (None, "Support", SUPPORT, None),
        (None, None, None, None),
        ("", "Support", SUPPORT, None),
        (None, "Moon", None, 'The default team "Moon" does not exist in Kustomer.'),
        ("Moon", "Support", SUPPORT, 'The team "Moon" does not exist in Kustomer; the default team "Support" has it.'),
        ("Moon", "Mars", None, 'The team "Moon" does not exist in Kustomer; no team was assigned.'),
        ("Moon", None, None, 'The team "Moon" does not exist in Kustomer; no team was assigned.'),
    ],
)
async def test_the_wanted_team_goes_before_the_default_and_what_is_wrong_is_said(
    teams: Teams, wanted: str | None, default: str | None, picked: str | None, problem: str | None
) -> None:
    assert await teams.pick(wanted, default) == (picked, problem)


@pytest.mark.parametrize("inside", ["VIP ", "VIP", "\tvip", "V\u200bIP", "\uff36\uff29\uff30", "VIP\u00a0"])
@pytest.mark.parametrize("wanted", ["VIP", " vIP", "VIP\u3000", "VIP\ufeff"])
async def test_how_a_name_was_typed_in_the_two_systems_does_not_matter(
    teams: Teams, organisation: Organisation, inside: str, wanted: str
) -> None:
    organisation.teams.append(team(ELSEWHERE, inside))

    assert await teams.id_of(wanted) == ELSEWHERE


async def test_of_two_names_that_look_the_same_the_one_that_is_exactly_so_goes_first(
    teams: Teams, organisation: Organisation
) -> None:
    organisation.teams += [team(OLD, "VIP "), team(ELSEWHERE, "VIP")]

    assert await teams.id_of("VIP") == ELSEWHERE
    assert await teams.id_of("VIP ") == OLD
    assert await teams.id_of("vip") == OLD


async def test_a_team_that_kustomer_does_not_take_is_passed_over_and_the_list_is_read_anew(
    teams: Teams, organisation: Organisation
) -> None:
    assert await teams.pick("Care", "Support") == (CARE, None)
    organisation.teams = [team(SUPPORT, "Support"), team(ELSEWHERE, "Care")]
    teams.forget()
    assert await teams.pick("Care", "Support", refused={CARE}) == (ELSEWHERE, None)

    gone = await teams.pick("Care", "Support", refused={CARE, ELSEWHERE})
    assert gone == (SUPPORT, 'The team "Care" does not exist in Kustomer; the default team "Support" has it.')
    assert (await teams.pick("Care", "Support", refused={ELSEWHERE, SUPPORT})).team_id is None
    assert organisation.asked == 2
