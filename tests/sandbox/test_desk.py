"""The desk's data and the few things that an agent does there; the page itself is tested in a browser."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]


async def say(api: Api, conversation: Row, text: str, **fields: Any) -> None:
    body = {"channel": "chat", "app": "rasa", "direction": "in", "preview": text, **fields}
    assert (await api.post(f"/v1/conversations/{conversation['id']}/messages", json=body)).status_code == 201


async def entry(api: Api) -> Row:
    first: Row = (await api.get("/sandbox/desk")).json()["inbox"][0]
    return first


@pytest.mark.parametrize(("path", "kind"), [("/", "text/html"), ("/desk.js", "text/javascript")])
async def test_the_page_allows_its_own_files_only(api: Api, path: str, kind: str) -> None:
    answer = await api.get(path)
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/../server.py", "/%2e%2e/server.py", "/server.py", "/page/desk.js", "/nothing"])
async def test_nothing_but_the_pages_files_is_served(api: Api, path: str) -> None:
    assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/desk.js", "/dom.js", "/inbox.js", "/timeline.js", "/desk.css", "/timeline.css"]
)
async def test_no_file_of_the_page_writes_markup_or_asks_elsewhere(api: Api, path: str) -> None:
    source = (await api.get(path)).text
    banned = ("innerHTML", "outerHTML", "insertAdjacentHTML", "http://", "https://", "eval(", "style=")
    assert [word for word in banned if word in source] == []


async def test_who_waits_is_who_no_human_has_answered(api: Api, conversation: Row) -> None:
    await say(api, conversation, "help", sentAt="2026-10-02T09:00:00.000Z")
    await say(api, conversation, "a moment", direction="out", auto=True, sentAt="2026-10-02T09:00:01.000Z")
    assert ((await entry(api))["section"], (await entry(api))["waitingSince"]) == (
        "waiting",
        "2026-10-02T09:00:00.000Z",
    )
    await say(api, conversation, "Dana here", direction="out", sentAt="2026-10-02T09:00:02.000Z")
    assert ((await entry(api))["section"], (await entry(api))["waitingSince"]) == ("answered", None)


async def test_a_parked_conversation_is_apart_and_waits_for_nobody(
    api: Api, sandbox: Sandbox, conversation: Row
) -> None:
    await say(api, conversation, "hello")
    body = {"assignedUsers": [sandbox.machine_user["id"]]}
    await api.patch(f"/v1/conversations/{conversation['id']}", json=body)
    assert ((await entry(api))["section"], (await entry(api))["waitingSince"]) == ("parked", None)


async def test_an_entry_says_priority_team_and_tags_in_words(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    path = f"/v1/conversations/{conversation['id']}"
    await api.patch(path, json={"priority": 5, "assignedTeams": [sandbox.team("Returns")["id"]], "name": "Shelf"})
    await api.post(f"{path}/tags", json=["refund"])
    shown = await entry(api)
    assert [shown[name] for name in ("subject", "who", "priorityWord", "teams", "tags")] == [
        "Shelf",
        "Ada",
        "Urgent",
        ["Returns"],
        ["refund"],
    ]


async def test_an_unchanged_desk_sends_its_version_only(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    version = (await api.get("/sandbox/desk")).json()["version"]
    assert (await api.get(f"/sandbox/desk?version={version}")).json() == {"version": version}
    await say(api, conversation, "hello")
    assert "inbox" in (await api.get(f"/sandbox/desk?version={version}")).json()


async def test_an_agents_reply_is_an_out_message_by_a_human(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    await say(api, conversation, "help", channel="whatsapp")
    assert (await api.post(f"/sandbox/desk/{conversation['id']}/reply", json={"text": " Hi! "})).status_code == 200
    reply = sandbox.state.timeline(conversation["id"])[-1]
    author = sandbox.state.users[reply["createdBy"]]
    assert (reply["direction"], reply["auto"], reply["preview"], reply["channel"]) == ("out", False, "Hi!", "whatsapp")
    assert author["userType"] == "user"


async def test_an_agent_assigns_takes_and_closes(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    team = sandbox.team("Sales")["id"]
    for change in ({"team": team}, {"take": True}, {"status": "done"}):
        assert (await api.post(f"/sandbox/desk/{conversation['id']}/change", json=change)).status_code == 200
    row = sandbox.state.conversations[conversation["id"]]
    assert (row["assignedTeams"], row["status"]) == ([team], "done")
    assert sandbox.state.users[row["assignedUsers"][0]]["userType"] == "user"


@pytest.mark.parametrize(
    "click",
    [
        ("reply", {"text": "  "}, 400),
        ("reply", {}, 400),
        ("reply", [], 400),
        ("change", {"status": "lost"}, 400),
        ("change", {"team": "0" * 24}, 400),
        ("erase", {}, 404),
    ],
)
async def test_a_click_that_means_nothing_is_refused(
    api: Api, sandbox: Sandbox, conversation: Row, click: tuple[str, Any, int]
) -> None:
    verb, body, status = click
    before = sandbox.state.as_json()
    answer = await api.post(f"/sandbox/desk/{conversation['id']}/{verb}", json=body)
    assert (answer.status_code, sandbox.state.as_json()) == (status, before)


async def test_the_examples_fill_every_part_of_the_desk(api: Api, sandbox: Sandbox) -> None:
    sandbox.add_examples()
    sandbox.add_examples()
    shown = (await api.get("/sandbox/desk")).json()["inbox"]
    assert len(shown) == 7
    assert {row["section"] for row in shown} == {"waiting", "answered", "parked", "done"}
    assert [row["priority"] for row in shown if row["section"] == "waiting"] == [5, 4]
