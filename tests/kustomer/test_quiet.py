"""What the HTTP library logs: nothing of our requests, and of everybody else's what it always did."""

import logging

import httpx
import pytest

from kustomer_sandbox import Sandbox
from rasa_kustomer.kustomer.client import KustomerClient


async def test_our_addresses_are_in_no_log_and_everybody_elses_lines_are_as_they_were(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore")}
    caplog.set_level("DEBUG")
    for _ in range(2):  # the second client changes nothing either
        async with KustomerClient(sandbox.url, sandbox.api_key) as client:
            await client.find_customer("email", "ann@example.com")
    assert "ann%40example.com" not in caplog.text
    assert not [one for one in caplog.records if one.name in {"httpx", "httpcore.http11"}]

    async with httpx.AsyncClient() as theirs:
        await theirs.get(f"{sandbox.url}/the-hosts-own")
    assert [one for one in caplog.records if one.name == "httpx" and "the-hosts-own" in one.getMessage()]
    assert [one for one in caplog.records if one.name == "httpcore.http11"]
    caplog.set_level(logging.NOTSET)
    assert {name: logging.getLogger(name).level for name in levels} == levels
