"""Makes docs/images/desk.png: the sandbox's desk page with its example conversations.

Usage: python scripts/desk_picture.py. Needs the browser driver (make e2e installs it). CHROMIUM names the browser;
without it, one on PATH or playwright's own is used.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "desk.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = {"width": 1440, "height": 900}


def main() -> int:
    """Start a sandbox, take the picture, stop the sandbox."""
    command = [str(Path(sys.executable).with_name("rasa-kustomer")), "sandbox", "--seed", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as sandbox:
        try:
            take(address(sandbox))
        finally:
            sandbox.terminate()
    print(f"Wrote {PICTURE.relative_to(ROOT)}")
    return 0


def address(sandbox: "subprocess.Popen[str]") -> str:
    """The desk's address, from what the sandbox prints.

    Raises:
        RuntimeError: The sandbox ended before it said so.
    """
    for line in sandbox.stdout or ():
        if found := re.search(r"desk:\s+(http\S+)", line):
            return found[1]
    raise RuntimeError("the sandbox did not start")


def take(url: str) -> None:
    """Open the desk on its first conversation and write the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(url)
        page.get_by_role("listitem").first.click()
        page.wait_for_timeout(1_000)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
