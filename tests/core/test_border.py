"""What crosses the border: bodies of limited size and time, arguments of processes, text shown."""

import csv
import gzip
import io
import json
import logging
import socket
import sys
import threading
import time
import zlib

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import logs
from orchestrator.cli.commands import trials
from orchestrator.cli.rendering import output
from orchestrator.config import load
from orchestrator.config.stores import artifacts_address, ledger_address, tracking_address
from orchestrator.errors import ConfigError, RegistryError
from orchestrator.escapes import csv_cell, visible, visible_json, visible_lines
from orchestrator.mlflow.ui import web_page
from orchestrator.registry.http.decoding import EncodingError, decoded
from orchestrator.registry.http.source import HttpSource
from orchestrator.reports.page import Page
from orchestrator.reports.rendering import render
from tests.support.web_service import WebService

ROWS = json.dumps([{"id": f"c{i}"} for i in range(1000)]).encode()


@pytest.fixture
def service():
    opened = WebService()
    yield opened
    opened.close()


def source(service, **settings):
    return HttpSource(
        customers=f"{service.url}/customers", attempts=1, **{"timeout": 20} | settings
    )


def answered(service, encoding, body):
    service.answers["/customers"] = lambda _: (200, {"Content-Encoding": encoding}, body)


class TestBodies:
    @pytest.mark.parametrize(
        ("encoding", "body"),
        [
            ("identity", ROWS),
            ("gzip", gzip.compress(ROWS)),
            ("x-gzip", gzip.compress(ROWS)),
            ("deflate", zlib.compress(ROWS)),
            ("gzip", gzip.compress(ROWS[:99]) + gzip.compress(ROWS[99:])),
        ],
    )
    def test_a_compressed_list_is_read(self, service, encoding, body):
        answered(service, encoding, body)
        assert len(source(service).read("customers").rows) == 1000

    def test_what_a_body_is_decoded_to_counts(self, service):
        answered(service, "gzip", gzip.compress(b" " * 100_000_000 + ROWS))
        before = psutil.Process().memory_info().rss
        with pytest.raises(RegistryError, match="sends more than 1,000,000 bytes"):
            source(service, max_bytes=1_000_000).read("customers")
        assert psutil.Process().memory_info().rss - before < 50_000_000

    def test_encodings_on_top_of_each_other_are_refused(self, service):
        answered(service, "gzip, gzip", gzip.compress(gzip.compress(ROWS)))
        with pytest.raises(RegistryError, match="Content-Encoding is 'gzip, gzip'"):
            source(service).read("customers")

    @pytest.mark.parametrize("body", [gzip.compress(ROWS)[:-9], b"no gzip", b"\x1f\x8b"])
    def test_a_damaged_body_is_refused(self, service, body):
        answered(service, "gzip", body)
        with pytest.raises(RegistryError, match="compressed body"):
            source(service).read("customers")

    @pytest.mark.parametrize("status", [201, 202, 204, 206, 226])
    def test_a_part_of_a_list_does_not_count_as_the_list(self, service, status):
        service.answers["/customers"] = lambda _: (status, {}, b"" if status == 204 else ROWS)
        with pytest.raises(RegistryError, match=f"answers {status}.*only a part of the list"):
            source(service).read("customers")

    @given(
        st.binary(max_size=300_000), st.integers(1, 100_000), st.sampled_from(["gzip", "deflate"])
    )
    def test_decoding_gives_what_was_encoded_in_small_pieces(self, body, size, encoding):
        packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        parts = [packed[i : i + size] for i in range(0, len(packed), size)]
        pieces = list(decoded(parts, encoding))
        assert b"".join(pieces) == body
        assert all(len(piece) <= 65536 for piece in pieces)

    def test_unknown_encodings_are_refused(self):
        with pytest.raises(EncodingError, match="'br'"):
            list(decoded([b"x"], "br"))


def test_headers_that_trickle_in_do_not_exceed_the_timeout():
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def trickle():
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.2):
                connection.sendall(b"X-Slow: 1\r\n")

    thread = threading.Thread(target=trickle)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
    started = time.monotonic()
    try:
        with pytest.raises(RegistryError, match="did not answer within 1 seconds"):
            HttpSource(customers=address, timeout=1, attempts=1).read("customers")
        assert time.monotonic() - started < 15
    finally:
        ended.set()
        thread.join()
        listening.close()


@pytest.mark.slow
def test_no_process_of_the_web_page_shows_its_address_in_its_arguments(tmp_path):
    """Everyone on the machine can read the arguments of a process."""
    uri = f"sqlite:///{tmp_path}/hunter2.db"
    with web_page(uri, artifact_root=str(tmp_path / "swordfish")) as page:
        assert page.address
        shown = [
            argument
            for process in psutil.Process().children(recursive=True)
            for argument in process.cmdline()
        ]
    assert "mlflow" in shown
    assert not [text for text in shown if "hunter2" in text or "swordfish" in text]


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31mred\u202egnp.exe\u2066\u200b\r"


class TestShown:
    def test_a_table_shows_what_is_hidden(self, capsys):
        output.table(["id\x1b[0m"], [[HOSTILE], ["two\nlines"]])
        shown = capsys.readouterr().out
        assert visible(HOSTILE) in shown
        assert r"\x1b]0;owned\x07" in shown
        assert r"two\nlines" in shown
        assert len(shown.splitlines()) == 3

    @pytest.mark.parametrize("show", [output.report, output.say, lambda t: output.complain(t, 1)])
    def test_messages_show_what_is_hidden(self, capsys, show):
        show(HOSTILE + "\nsecond line")
        captured = capsys.readouterr()
        assert visible(HOSTILE) + "\nsecond line" in captured.out + captured.err

    def test_json_keeps_its_values(self, capsys):
        output.as_json({"id": HOSTILE})
        shown = capsys.readouterr().out
        assert visible_lines(shown) == shown
        assert json.loads(shown) == {"id": HOSTILE}

    def test_logs_show_what_is_hidden(self):
        record = logs.RedactedRecord("n", logging.INFO, "f", 1, "%s", (HOSTILE,), None)
        assert record.getMessage() == visible(HOSTILE).replace("\\t", "\t")
        assert "\x1b" not in logs.JsonLines().format(record)

    def test_a_report_shows_what_is_hidden(self):
        page = Page(title=HOSTILE, kind="k", subtitle="", cards=(), sections=())
        html = render(page)
        assert "\u202e" not in html
        assert r"\u202egnp.exe" in html

    @given(st.text())
    def test_escaped_text_has_nothing_hidden(self, text):
        assert visible(text).isprintable() or not visible(text).isascii()
        assert visible(visible(text)) == visible(text)
        assert json.loads(visible_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-1.5", "-1.5"),
        ("+2e-3", "+2e-3"),
        (-1.5, -1.5),
        ("l2", "l2"),
        ("", ""),
        (None, None),
        ("a\x1b[2J", r"a\x1b[2J"),
    ],
)
def test_no_cell_of_csv_is_a_formula(value, cell):
    assert csv_cell(value) == cell


def test_trials_as_csv_have_no_formula(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    row = {"trial": "=1/m/0", "folds": {}, "params": {"p": "=cmd()"}, "scores": {"auc": -0.5}}
    trials._print_csv([row])
    (cells,) = csv.DictReader(io.StringIO(shown.getvalue()))
    assert cells == {"trial": "'=1/m/0", "params.p": "'=cmd()", "scores.auc": "-0.5"}


@pytest.mark.parametrize(
    ("key", "address", "problem"),
    [
        ("tracking.artifacts", "http://127.0.0.1:9/x", "web server"),
        ("tracking.artifacts", "gopher://host/x", "has the scheme 'gopher'"),
        ("tracking.uri", "ftp://host/x", "has the scheme 'ftp'"),
        ("tracking.uri", "http://[::1", "not a valid address"),
        ("tracking.uri", "http://host:port", "not a valid address"),
        ("ledger", "oracle://host/x", "has the scheme 'oracle'"),
        ("ledger", "postgresql://[::1/x", "not a valid address"),
        ("ledger", f"sqlite:///{'x' * 300}.db", "255 bytes"),
        ("ledger", "sqlite:///a\0b.db", "control characters"),
    ],
)
def test_a_store_that_could_never_work_is_refused_by_its_key(tmp_path, key, address, problem):
    section, _, name = key.partition(".")
    file = tmp_path / "orchestrator.yaml"
    content = {
        "experiment": "e",
        "registry": {"source": "inline", "models": [], "customers": []},
        "evaluation": {"loader": "tests.support.synthetic:load"},
        section: {name: address} if name else address,
    }
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=rf"orchestrator\.yaml: {key}: .*{problem}"):
        load(file)


@pytest.mark.parametrize(
    ("uri", "artifacts", "ledger"),
    [
        ("http://host:5000", None, "postgresql+psycopg://me:pass@[::1]:5432/db"),
        ("sqlite:///mlflow.db", "artifacts", "ledger.db"),
        ("mysql+pymysql://host/db", "s3://bucket/models", "sqlite:////tmp/ledger.db"),
    ],
)
def test_usual_stores_are_taken(uri, artifacts, ledger):
    assert tracking_address(uri) == uri
    assert artifacts_address(artifacts) == artifacts
    assert ledger_address(ledger) == ledger
