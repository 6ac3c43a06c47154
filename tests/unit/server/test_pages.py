import re
from urllib.parse import urljoin

import pytest

from simplevoice.server.pages import ADDRESSES, PAGES
from tests.unit.server.conftest import Start


@pytest.mark.parametrize("prefix", ["/", "/api/v1/"])
async def test_page_and_all_that_it_names_are_served_under_every_prefix(daemon: Start, prefix: str) -> None:
    running = await daemon(server_path_prefixes=("/api/v1",))
    for address, name in ADDRESSES.items():
        page = urljoin(prefix, address or ".")
        async with running.http.get(page) as response:
            assert (response.status, response.content_type) == (200, "text/html")
            text = await response.text()
        assert text == PAGES[name].body.decode()
        for link in re.findall(r'(?:src|href)="([^"]+)"', text):
            async with running.http.get(urljoin(page, link)) as response:
                assert response.status == 200, link


def test_modules_import_only_each_other_and_know_no_other_host() -> None:
    for page in PAGES.values():
        text = page.body.decode()
        for module in re.findall(r'^import .*? from "([^"]+)";', text, re.MULTILINE | re.DOTALL):
            assert module.removeprefix("./") in PAGES
        hosts = set(re.findall(r"https?://([\w.-]+)", text))
        assert hosts <= {"www.w3.org", "voice.example.org"}, "names of formats and examples, nothing that is fetched"


async def test_headers_let_a_browser_fetch_and_run_nothing_from_elsewhere(daemon: Start) -> None:
    running = await daemon()
    async with running.http.get("/") as response:
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}


async def test_modules_may_be_imported_by_other_pages_and_pages_not_framed(daemon: Start) -> None:
    running = await daemon()
    async with running.http.get("/simplevoice.js") as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    async with running.http.get("/") as response:
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_unchanged_file_is_not_sent_again(daemon: Start) -> None:
    running = await daemon()
    async with running.http.get("/app.js") as response:
        etag = response.headers["ETag"]
    async with running.http.get("/app.js", headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_prefix_without_its_slash_leads_to_the_page(daemon: Start) -> None:
    running = await daemon(server_path_prefixes=("/api/v1",))
    async with running.http.get("/api/v1", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (308, "/api/v1/")
