"""`data` keeps everything in a file."""

from pathlib import Path

import httpx

from kustomer_sandbox import Sandbox


async def write(sandbox: Sandbox) -> None:
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    async with sandbox.serve(), httpx.AsyncClient(base_url=sandbox.url, headers=headers) as api:
        customer = (await api.post("/v1/customers", json={"externalId": "ada"})).json()["data"]["id"]
        await api.post("/v1/customers", json={"name": "gone"})
        gone = next(row["id"] for row in sandbox.state.customers.values() if row["name"] == "gone")
        sandbox.roles.add("org.permission.customer.delete")
        await api.delete(f"/v1/customers/{gone}")
        conversation = (await api.post("/v1/conversations", json={"customer": customer})).json()["data"]["id"]
        await api.post(f"/v1/conversations/{conversation}/tags", json=["vip"])
        await api.post(f"/v1/conversations/{conversation}/notes", json={"body": "مرحبا 🙂"})


async def test_everything_is_there_after_a_restart_even_without_closing(tmp_path: Path) -> None:
    first = Sandbox(data=tmp_path / "new" / "sandbox.db")
    await write(first)
    second = Sandbox(data=tmp_path / "new" / "sandbox.db")
    before, after = first.state.as_json(), second.state.as_json()
    assert {**after, "version": 0} == {**before, "version": 0}
    assert [row["externalId"] for row in second.state.customers.where("externalId", "ada")] == ["ada"]
    first.close()
    second.close()


def test_a_stored_organisation_is_not_seeded_again(tmp_path: Path) -> None:
    for _ in range(2):
        sandbox = Sandbox(data=tmp_path / "sandbox.db")
        assert len(sandbox.state.teams) == 5
        sandbox.close()
