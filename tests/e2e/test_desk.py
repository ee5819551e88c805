"""The agent's desk in headless Chromium: what an agent sees, while it changes."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from kustomer_sandbox import Sandbox

pytestmark = pytest.mark.e2e

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MARKUP = '<img src=x onerror="document.title=\'owned\'"><b>bold</b> & "quotes" 🙂'


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    installed = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    async with async_playwright() as playwright:
        # Without a system browser playwright uses its own; its error says how to install it.
        chromium = await playwright.chromium.launch(executable_path=installed, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture
async def desk(sandbox: Sandbox) -> Sandbox:
    sandbox.add_examples()
    return sandbox


@pytest_asyncio.fixture
async def page(browser: Browser, desk: Sandbox) -> AsyncIterator[Page]:
    opened = await browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await opened.goto(desk.url)
    yield opened
    assert complaints == []


def conversation(desk: Sandbox, name: str) -> dict[str, Any]:
    return next(row for row in desk.state.conversations.values() if row["name"] == name)


async def post(desk: Sandbox, path: str, body: Any, method: str = "POST") -> None:
    headers = {"authorization": f"Bearer {desk.api_key}"}
    async with httpx.AsyncClient(base_url=desk.url, headers=headers) as api:
        (await api.request(method, path, json=body)).raise_for_status()


async def say(desk: Sandbox, name: str, text: str, **fields: Any) -> None:
    body = {"channel": "chat", "app": "rasa", "direction": "in", "preview": text, **fields}
    await post(desk, f"/v1/conversations/{conversation(desk, name)['id']}/messages", body)


async def test_the_list_puts_the_most_urgent_waiting_conversation_first(page: Page) -> None:
    await expect(page.locator("#sections h2")).to_have_text(
        ["Waiting for an agent2", "Open, nobody waiting1", "With the bot2", "Done2"]
    )
    first = page.locator(".row").first
    await expect(first.locator(".who")).to_have_text("Hannah Lindqvist")
    await expect(first.locator(".chip.p5")).to_have_text("Urgent")
    await expect(first.locator(".chip.waiting")).to_contain_text("Waiting")
    await expect(page).to_have_title("(2) Sandbox desk")


async def test_a_conversation_shows_who_said_what_and_sets_notes_apart(page: Page) -> None:
    await page.get_by_text("Two parcels, one tracking number").click()
    await expect(page.locator("#subject")).to_have_text("Two parcels, one tracking number")
    await expect(page.locator(".entry.customer .bubble").first).to_contain_text("📦📦")
    await expect(page.locator(".entry.bot .mark").first).to_have_text("Bot")
    await expect(page.locator(".entry.agent .by")).to_have_text("Dana Whitfield")
    await expect(page.locator(".entry.note .mark")).to_have_text("Internal note")
    await expect(page.locator("#facts")).to_contain_text("meiling.zhao@example.org")


async def test_new_turns_and_changes_appear_by_themselves(page: Page, desk: Sandbox) -> None:
    await page.get_by_text("Which size fits?").click()
    await say(desk, "Which size fits?", "one more question")
    await expect(page.locator(".entry .bubble").last).to_have_text("one more question")
    row = conversation(desk, "Which size fits?")
    handoff = {"assignedUsers": [], "assignedTeams": [desk.team("Sales")["id"]], "priority": 4}
    await post(desk, f"/v1/conversations/{row['id']}", handoff, "PATCH")
    await expect(page.locator("#chips")).to_contain_text("Waiting")
    await expect(page.locator("#chips .chip.p4")).to_have_text("High")
    await expect(page.locator("#sections h2").first).to_have_text("Waiting for an agent3")


async def test_what_did_not_change_is_not_drawn_again(page: Page, desk: Sandbox) -> None:
    await page.get_by_text("Which size fits?").click()
    await expect(page.locator("#subject")).to_have_text("Which size fits?")
    await page.fill("#text", "a half-written answer")
    await page.evaluate("for (const node of document.querySelectorAll('.row, .entry')) node.dataset.old = 'yes'")
    await say(desk, "Which size fits?", "are you there?")
    await expect(page.locator(".entry .bubble").last).to_have_text("are you there?")
    assert await page.locator(".row:not([data-old])").count() == 0
    assert await page.locator(".entry:not([data-old])").count() == 1
    assert await page.input_value("#text") == "a half-written answer"
    assert await page.evaluate("document.activeElement.id") == "text"


async def test_nothing_that_a_customer_writes_becomes_markup(page: Page, desk: Sandbox) -> None:
    row = conversation(desk, "Which size fits?")
    await post(desk, f"/v1/customers/{row['customer']}", {"name": MARKUP}, "PATCH")
    await post(desk, f"/v1/conversations/{row['id']}", {"name": MARKUP}, "PATCH")
    await post(desk, f"/v1/conversations/{row['id']}/tags", [MARKUP])
    await post(desk, f"/v1/conversations/{row['id']}/notes", {"body": MARKUP})
    await say(desk, MARKUP, MARKUP)
    await page.goto(f"{desk.url}/#{row['id']}")
    await expect(page.locator("#subject")).to_have_text(MARKUP)
    for place in (".entry .bubble", "#facts h2", "#chips .tag", ".entry.note .bubble"):
        await expect(page.locator(place).last).to_have_text(MARKUP)
    assert await page.locator("#sections img, #conversation img, #facts img, #conversation .bubble b").count() == 0
    await expect(page).to_have_title("(2) Sandbox desk")


async def test_right_to_left_text_reads_from_the_right(page: Page) -> None:
    await page.get_by_text("أين طلبي؟").first.click()
    bubble = page.locator(".entry.customer .bubble").first
    await expect(bubble).to_contain_text("مرحبا")
    assert await bubble.evaluate("node => getComputedStyle(node).direction") == "rtl"


async def test_an_agent_works_with_the_keyboard_alone(page: Page, desk: Sandbox) -> None:
    await expect(page.locator(".row").first).to_be_visible()
    await page.keyboard.press("j")
    await expect(page.locator("#subject")).to_have_text("Refund for a damaged shelf")
    await page.keyboard.press("j")
    await expect(page.locator("#subject")).to_have_text("أين طلبي؟")
    await page.keyboard.press("k")
    await expect(page.locator("#subject")).to_have_text("Refund for a damaged shelf")
    await page.keyboard.press("r")
    await page.keyboard.type("Hi Hannah, Dana here.")
    await page.keyboard.press("Enter")
    await expect(page.locator(".entry.agent .bubble")).to_have_text("Hi Hannah, Dana here.")
    assert desk.state.timeline(conversation(desk, "Refund for a damaged shelf")["id"])[-1]["auto"] is False
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.locator("#nothing")).to_be_visible()


async def test_an_agent_assigns_takes_and_closes(page: Page, desk: Sandbox) -> None:
    await page.get_by_text("Rechnung stimmt nicht").click()
    await page.select_option("#team", label="Billing")
    await page.click("#take")
    await expect(page.locator("#chips")).to_contain_text("Dana Whitfield")
    await page.click("#status")
    await expect(page.locator("#status")).to_have_text("Reopen")
    row = conversation(desk, "Rechnung stimmt nicht")
    assert (row["status"], row["assignedTeams"]) == ("done", [desk.team("Billing")["id"]])


async def test_the_search_narrows_the_list(page: Page) -> None:
    await page.keyboard.press("/")
    await page.keyboard.type("refund")
    await expect(page.locator(".row .who")).to_have_text(["Hannah Lindqvist"])
    await page.fill("#search", "nothing like this")
    await expect(page.locator("#inbox-empty")).to_have_text("Nothing matches.")


async def test_an_outage_is_said_and_ends_by_itself(browser: Browser) -> None:
    sandbox = Sandbox()
    opened = await browser.new_page()
    async with sandbox.serve():
        port = int(sandbox.url.rpartition(":")[2])
        await opened.goto(sandbox.url)
        await expect(opened.locator("#link")).to_have_text("Live")
        await expect(opened.locator("#inbox-empty")).to_contain_text("No conversations yet")
    await expect(opened.locator("#link")).to_have_text("Sandbox is not answering")
    async with sandbox.serve(port=port):
        await expect(opened.locator("#link")).to_have_text("Live")
    await opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900, 1440])
async def test_it_fits_every_width_and_is_readable_in_light_and_dark(
    browser: Browser, desk: Sandbox, scheme: Any, width: int
) -> None:
    opened = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await opened.goto(f"{desk.url}/#{conversation(desk, 'Refund for a damaged shelf')['id']}")
    await expect(opened.locator(".entry.note .bubble")).to_be_in_viewport()
    assert await opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await opened.evaluate(CONTRAST) == []
    await opened.close()


CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll(".bubble, .chip, .by, .when, .subject, time, h1, h2, dt, dd, button")) {
    if (!node.offsetParent || node.disabled || !node.textContent.trim()) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) poor.push(`${node.className || node.tagName}: ${node.textContent.slice(0, 30)}`);
  }
  return [...new Set(poor)];
}"""
