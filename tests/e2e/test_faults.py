"""What fails around a real bot costs no turn, doubles none, and never silences it."""

from collections.abc import Callable

import pytest
from tests.e2e.conftest import ActionServer, Kustomer
from tests.e2e.dialogue import Desk, Dialogue

pytestmark = pytest.mark.e2e

Talk = Callable[..., Dialogue]
Look = Callable[[Dialogue], Desk]


def test_the_action_server_is_killed_and_comes_back(talk: Talk, desk: Look, action_server: ActionServer) -> None:
    """Killed in mid-conversation: the bot answers on, and the turns in between are recorded with the next one."""
    user = talk()
    user.say("hello")
    action_server.service.kill()
    assert user.hear("show me a picture") == "This is our shop."
    assert user.hear("show me the menu") == "What would you like?"
    action_server.service.start(action_server.settings)
    user.say("bye")
    desk(user).shows(user.said)


def test_what_the_override_of_the_session_start_costs(talk: Talk, desk: Look, action_server: ActionServer) -> None:
    """As kustomer_domain.yml says: without the action server, a new conversation's first message gets the fallback.

    Later ones do not, and what was said in the meantime is recorded all the same.
    """
    user = talk()
    action_server.service.kill()
    assert user.hear("hello") == "Sorry, I did not get that."
    assert user.hear("hello") == "Hello! How can I help? 👋"
    action_server.service.start(action_server.settings)
    user.say("bye")
    desk(user).shows(user.said)


def test_turns_that_were_accepted_survive_a_kill(
    talk: Talk, desk: Look, action_server: ActionServer, kustomer: Kustomer
) -> None:
    """Killed while Kustomer is away: what was accepted is delivered after the start without a further turn."""
    user = talk()
    with kustomer.outage():
        user.say("hello")
        user.say("bye")
        action_server.service.kill()
        action_server.service.start(action_server.settings)
    desk(user).shows(user.said, seconds=60)


def test_kustomer_is_away_for_a_part_of_the_conversation(talk: Talk, desk: Look, kustomer: Kustomer) -> None:
    """The bot does not notice; the missing part follows in its place."""
    user = talk()
    user.say("hello")
    desk(user).shows(user.said)
    with kustomer.outage():
        assert user.hear("show me the menu") == "What would you like?"
        assert user.hear("show me a picture") == "This is our shop."
    user.say("bye")
    desk(user).shows(user.said, seconds=60)


def test_answers_that_get_lost_double_nothing(talk: Talk, desk: Look, kustomer: Kustomer) -> None:
    """Kustomer carries a request out and the answer is lost: nothing appears twice."""
    user = talk()
    for match in ("POST /v1/customers", "POST /v1/customers/*/conversations", "POST /v1/conversations/*/messages"):
        kustomer.sandbox.fail(match, "reset-after", times=1)
    user.say("hello")
    user.say("bye")
    desk(user).shows(user.said, seconds=60)
    assert len(desk(user).conversations) == 1
