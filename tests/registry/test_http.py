"""The source `http`, against a real server that misbehaves in every way it can."""

import logging
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import stamina

from orchestrator.errors import ConfigError, RegistryError
from orchestrator.registry.http.download import same_host
from orchestrator.registry.http.source import HttpSource
from orchestrator.registry.sources import drop_copies, open_source, read_only
from orchestrator.testing.sources import CUSTOMERS, HIDDEN, SourceContract, snapshot
from tests.support.web_service import WebService

PAGE = 4


@pytest.fixture
def service():
    service = WebService()
    yield service
    service.close()


@pytest.fixture(autouse=True)
def no_waiting_between_attempts():
    with stamina.set_testing(True, attempts=3):
        yield


def rows_of(source):
    return list(source.read("customers").rows)


class TestHttp(SourceContract):
    @pytest.fixture
    def place(self, service):
        def authorised(rows, kind):
            def answer(request):
                if request.headers["Authorization"] != f"Bearer {HIDDEN}":
                    return 401, {}, b""
                number = int(request.parameter("page") or 1)
                part = rows[(number - 1) * PAGE : number * PAGE]
                more = number * PAGE < len(rows)
                return {kind: part, "next": f"/{kind}?page={number + 1}" if more else None}

            return answer

        def put(models, customers):
            service.answers["/models"] = authorised(models, "models")
            service.answers["/customers"] = authorised(customers, "customers")
            return HttpSource(
                models=f"{service.url}/models",
                customers=f"{service.url}/customers?key={HIDDEN}",
                token=HIDDEN,
            )

        return put

    @pytest.fixture
    def missing(self, service):
        return HttpSource(models=f"{service.url}/missing?key={HIDDEN}", token=HIDDEN)


def test_pages_may_be_linked_by_header(service):
    def answer(request):
        if request.parameter("after") == "4":
            return CUSTOMERS[4:]
        return 200, {"Link": '</list?after=4>; rel="next"'}, CUSTOMERS[:4]

    service.answers["/list"] = answer
    assert rows_of(HttpSource(customers=f"{service.url}/list")) == CUSTOMERS


def test_pages_may_be_linked_by_cursor(service):
    def answer(request):
        start = int(request.parameter("cursor") or 0)
        rest = {"cursor": start + 5} if start + 5 < len(CUSTOMERS) else {}
        return {"data": {"rows": CUSTOMERS[start : start + 5]}, "meta": rest}

    service.answers["/list"] = answer
    source = HttpSource(
        customers=f"{service.url}/list?size=5",
        items="data.rows",
        next="meta.cursor",
        cursor="cursor",
    )
    assert rows_of(source) == CUSTOMERS
    assert service.asked["/list?size=5&cursor=5"] == 1


def test_pages_may_be_counted(service):
    def answer(request):
        start = (int(request.parameter("page") or 1) - 1) * PAGE
        return CUSTOMERS[start : start + PAGE]

    service.answers["/list"] = answer
    assert rows_of(HttpSource(customers=f"{service.url}/list", page="page")) == CUSTOMERS


@pytest.mark.parametrize("settings", [{}, {"page": "number"}, {"next": "more", "cursor": "c"}])
def test_pages_that_repeat_for_ever_are_noticed(service, settings):
    counter = iter(range(1_000_000))
    service.answers["/list"] = lambda _: {
        "customers": CUSTOMERS[:1],
        "next": f"/list?turn={next(counter)}",
        "more": str(next(counter)),
    }
    with pytest.raises(RegistryError, match="its pages repeat"):
        rows_of(HttpSource(customers=f"{service.url}/list", **settings))


def test_an_unchanged_page_is_not_sent_again(service, tmp_path):
    sent = Counter()

    def answer(request):
        known = request.headers["If-None-Match"] == '"v1"'
        sent[known] += 1
        return (304, {"ETag": '"v1"'}, b"") if known else (200, {"ETag": '"v1"'}, CUSTOMERS)

    service.answers["/list"] = answer
    source = HttpSource(customers=f"{service.url}/list", cache=tmp_path / "cache")
    first, second = source.read("customers"), source.read("customers")
    assert first == second
    assert first.etag == '"v1"'
    assert sent == {False: 1, True: 1}


@pytest.mark.parametrize(
    "broken",
    [b"{tru", b"\xff", b"[" * 100_000, b"[]", b'{"etag": 1}', b'{"content": [], "etag": ""}'],
)
def test_a_copy_that_cannot_be_read_is_none(service, tmp_path, broken):
    service.answers["/list"] = lambda _: (200, {"ETag": '"v1"'}, CUSTOMERS)
    source = HttpSource(customers=f"{service.url}/list", cache=tmp_path)
    assert rows_of(source) == CUSTOMERS
    (copy,) = tmp_path.iterdir()
    kept = copy.read_bytes()
    copy.write_bytes(broken)
    assert rows_of(source) == CUSTOMERS
    assert copy.read_bytes() == kept


def test_a_source_for_reading_alone_uses_copies_and_leaves_none(service, tmp_path):
    sent = Counter()

    def answer(request):
        known = request.headers["If-None-Match"] == '"v1"'
        sent[known] += 1
        return (304, {"ETag": '"v1"'}, b"") if known else (200, {"ETag": '"v1"'}, CUSTOMERS)

    service.answers["/list"] = answer
    source = HttpSource(customers=f"{service.url}/list", token=HIDDEN, cache=tmp_path / "cache")
    assert rows_of(read_only(source)) == CUSTOMERS
    assert not (tmp_path / "cache").exists()
    rows_of(source)
    assert rows_of(read_only(source)) == CUSTOMERS
    assert sent == {False: 2, True: 1}
    drop_copies(source)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_server_that_was_busy_is_asked_again(service):
    busy = iter([503, 429])

    def answer(_):
        status = next(busy, 200)
        return (status, {"Retry-After": "0"}, CUSTOMERS) if status != 200 else CUSTOMERS

    service.answers["/list"] = answer
    assert rows_of(HttpSource(customers=f"{service.url}/list")) == CUSTOMERS


def test_the_wait_a_server_asks_for_is_kept(service):
    busy = iter([429])

    def answer(_):
        return (429, {"Retry-After": "1"}, b"") if next(busy, None) else CUSTOMERS

    service.answers["/list"] = answer
    with stamina.set_testing(False):
        began = time.monotonic()
        rows_of(HttpSource(customers=f"{service.url}/list"))
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    "after",
    [
        pytest.param("36000", id="seconds"),
        pytest.param(
            format_datetime(datetime.now(UTC) + timedelta(hours=10), usegmt=True), id="date"
        ),
    ],
)
def test_a_wait_longer_than_the_timeout_is_not_begun(service, after):
    service.answers["/list"] = lambda _: (429, {"Retry-After": after}, b"")
    with pytest.raises(RegistryError, match=r"429 .*asks to wait 3\d{4}"):
        rows_of(HttpSource(customers=f"{service.url}/list"))
    assert service.asked["/list"] == 1


@pytest.mark.parametrize(
    ("status", "attempts", "problem"),
    [(404, 1, "check the address"), (401, 1, "check the token"), (500, 3, "answers 500")],
)
def test_an_error_of_the_server_is_named(service, status, attempts, problem):
    service.answers["/list"] = lambda _: (status, {}, b"{}")
    with pytest.raises(RegistryError, match=problem):
        rows_of(HttpSource(customers=f"{service.url}/list"))
    assert service.asked["/list"] == attempts


def test_a_redirect_within_the_host_is_followed(service):
    service.answers["/old"] = lambda _: (307, {"Location": "/new"}, b"")
    service.answers["/new"] = lambda _: CUSTOMERS
    assert rows_of(HttpSource(customers=f"{service.url}/old")) == CUSTOMERS


@pytest.mark.parametrize(
    "answer",
    [(302, {"Location": "http://localhost:1/x"}, b""), {"next": "http://a.b/", "customers": []}],
    ids=["redirect", "next page"],
)
def test_another_host_is_never_asked(service, answer):
    service.answers["/list"] = lambda _: answer
    with pytest.raises(RegistryError, match="another server"):
        rows_of(HttpSource(customers=f"{service.url}/list", token=HIDDEN))


@pytest.mark.parametrize(
    ("url", "target", "followed"),
    [
        ("http://h/a", "https://h/b", True),
        ("http://h:8000/a", "https://h:8000/b", True),
        ("http://h:8000/a", "https://h:9999/b", False),
        ("http://h:8000/a", "https://h/b", False),
        ("https://h/a", "http://h/b", False),
        ("https://h/a", "https://h:443/b", True),
        ("https://h/a", "https://i/b", False),
    ],
)
def test_a_token_goes_nowhere_but_to_its_host_and_port(url, target, followed):
    url, target = httpx.URL(url), httpx.URL(target)
    if followed:
        assert same_host(url, target, "redirects to") == target
    else:
        with pytest.raises(RegistryError, match="another server"):
            same_host(url, target, "redirects to")


def test_a_redirect_to_itself_ends(service):
    service.answers["/list"] = lambda _: (302, {"Location": "/list"}, b"")
    with pytest.raises(RegistryError, match="redirects more than"):
        rows_of(HttpSource(customers=f"{service.url}/list"))


def test_a_body_without_end_is_given_up(service):
    def endless(request):
        request.send_response(200)
        request.end_headers()
        while not service.stopping.is_set():
            try:
                request.wfile.write(b"[" * 65_536)
            except OSError:
                break
        return b""

    service.answers["/list"] = endless
    source = HttpSource(customers=f"{service.url}/list", max_bytes=10_000_000)
    with pytest.raises(RegistryError, match="more than 10,000,000 bytes"):
        rows_of(source)


@pytest.mark.parametrize("drips", [False, True])
def test_a_server_that_does_not_come_to_an_end_is_given_up(service, drips):
    def slow(request):
        if drips:
            request.send_response(200)
            request.end_headers()
        while not service.stopping.wait(0.05):
            if drips:
                try:
                    request.wfile.write(b"[")
                except OSError:
                    break
        return b""

    service.answers["/list"] = slow
    began = time.monotonic()
    with pytest.raises(RegistryError, match=r"did not answer within 0\.5 seconds"):
        rows_of(HttpSource(customers=f"{service.url}/list", timeout=0.5))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"customers": [', "not send valid JSON"),
        (b"<html>", "valid JSON"),
        (b"{}", "set `items`"),
    ],
)
def test_a_body_that_is_no_list_is_an_error(service, body, problem):
    service.answers["/list"] = lambda _: body
    with pytest.raises(RegistryError, match=problem):
        rows_of(HttpSource(customers=f"{service.url}/list"))


def test_a_body_that_breaks_off_is_asked_for_again(service):
    service.answers["/list"] = lambda _: (200, {"Content-Length": "999"}, b"[")
    with pytest.raises(RegistryError, match="RemoteProtocolError"):
        rows_of(HttpSource(customers=f"{service.url}/list"))
    assert service.asked["/list"] == 3


def test_retries_do_not_log_a_secret(service, caplog):
    service.answers["/list"] = lambda _: (500, {}, b"")
    source = HttpSource(customers=f"{service.url}/list?key={HIDDEN}", token=HIDDEN)
    with caplog.at_level(logging.WARNING), pytest.raises(RegistryError):
        rows_of(source)
    assert not any(HIDDEN in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("url", ["ftp://host/list", "host/list", "https://"])
def test_what_is_no_web_address_is_a_mistake_in_the_settings(url):
    with pytest.raises(ConfigError, match=r"registry\.customers: should be an address"):
        open_source("http", {"customers": url})


def test_pages_are_counted_or_named_by_a_cursor_not_both():
    with pytest.raises(ConfigError, match="`page` and `cursor` cannot be combined"):
        open_source("http", {"customers": "http://h/", "page": "page", "cursor": "after"})


def test_a_web_service_may_give_only_one_of_the_lists(service):
    with pytest.raises(RegistryError, match="no address is given for the list of models"):
        snapshot(HttpSource(customers=f"{service.url}/list"))
