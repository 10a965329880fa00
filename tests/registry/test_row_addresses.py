"""Which addresses a registry row may name, and what becomes of a look that takes too long."""

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.estimators import Estimators
from orchestrator.permissions import Addresses
from orchestrator.records import Customer
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from orchestrator.training.data import Loader
from orchestrator.training.parallel_looks import Looks, Overdue, look_at_all
from orchestrator.training.versions import data_versions
from tests.support.rows import PLAIN_TREE as TREE

STANDARD = Addresses()


def ways_to_write(address):
    """Spellings of an IPv4 address that some library connects to."""
    parts = [int(part) for part in address.split(".")]
    number = int.from_bytes(bytes(parts), "big")
    return [
        address,
        f"{address}.",
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        f"{parts[0]}.{number & 0xFFFFFF}",
        f"[::ffff:{address}]",
        f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::1]",
        address.replace(".", "%2e"),
        address.replace(".", "\u3002"),
        address.translate({ord(d): 0xFF10 + int(d) for d in "0123456789"}),
    ]


LOCAL = [
    *ways_to_write("127.0.0.1"),
    *ways_to_write("169.254.169.254"),
    *("localhost", "LOCALHOST.", "a.localhost", "[::1]", "[::]", "0.0.0.0", "0", "127.1"),  # noqa: S104 - none is bound
    *("[fe80::1%25eth0]", "metadata.google.internal", "[fd00:ec2::254]", "x@localhost"),
]


@pytest.mark.parametrize("host", LOCAL)
def test_a_host_of_this_machine_is_refused_however_it_is_spelled(host):
    assert "addresses.hosts" in STANDARD.refusal(f"https://{host}/data.csv")


@pytest.mark.parametrize(
    "data",
    [
        *("AA", "data/AA.csv", "/data/AA.csv", "file:///data/AA.csv", "s3://bucket/AA.csv"),
        *("gs://b/x", "az://c/x", "abfs://c/x", "https://example.org/AA.csv", "https://10.0.0.7/x"),
        *("store::12", "SELECT a::int FROM read_csv('s3://b/x')", "C:\\data", "", "a b"),
    ],
)
def test_what_rows_usually_name_is_allowed(data):
    assert STANDARD.refusal(data) == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("dask://host:1/x::file:///y", "chains"),
        ("simplecache::s3://b/x", "chains"),
        ("zip://a.csv::https://example.org/x.zip", "chains"),
        ("file:///a::s3://b/x", "chains"),
        ("http://example.org/x", "addresses.schemes"),
        ("HTTP://example.org/x", "addresses.schemes"),
        ("webhdfs://example.org/x", "addresses.schemes"),
        ("ftp://example.org/x", "addresses.schemes"),
        ("dask://example.org:8786/x", "addresses.schemes"),
        ("memory://x", "addresses.schemes"),
        ("data:,text", "addresses.schemes"),
        ("github://a:b@/x", "addresses.schemes"),
        (" https://example.org/x", "remove them"),
        ("ht\ntps://example.org/x", "remove them"),
        ("https://example.org\\@127.0.0.1/x", "not a valid address"),
        ("https://[::1/x", "not a valid address"),
        ("https:///x", "not a valid address"),
    ],
)
def test_anything_else_is_refused_with_the_cure(data, reason):
    assert reason in STANDARD.refusal(data)


def test_the_configuration_can_allow_schemes_and_hosts():
    addresses = Addresses(schemes=("http", "sftp"), hosts=("127.0.0.1",))
    for data in ("http://127.0.0.1:8/x", "http://2130706433/x", "sftp://example.org/x"):
        assert addresses.refusal(data) == ""
    assert addresses.refusal("http://127.0.0.2/x")


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ("ftp://h/x", "data"),
        ({"at": {"path": "ftp://h/x"}}, "data.at.path"),
        (["a", ["ftp://h/x"]], "data[1][0]"),
        ({"ftp://h/x": 1}, "data"),
    ],
)
def test_a_row_is_set_aside_wherever_its_data_names_it(data, key):
    rows = [{"id": "good"}, {"id": "bad", "data": data}]
    snapshot = fetch(
        InlineSource(models=[TREE], customers=rows), estimators=Estimators(("sklearn",))
    )
    (rejected,) = snapshot.rejected
    assert (rejected.id, rejected.row) == ("bad", 1)
    assert rejected.reason.startswith(f"{key}: 'ftp://h/x' has the scheme 'ftp'")


@given(
    st.sampled_from([*LOCAL]),
    st.sampled_from(["http", "https", "ftp", "webhdfs"]),
    st.text(alphabet="/?#&=ab:@", max_size=8),
)
def test_no_address_of_a_local_host_is_permitted(host, scheme, rest):
    addresses = Addresses(schemes=("http", "ftp", "webhdfs"))
    assert addresses.refusal(f"{scheme}://{host}/{rest}")


class Server:
    """A web server on this machine, which counts what it is asked."""

    def __init__(self, status=200, **headers):
        self.asked = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                asked.append((self.path, self.headers["Host"]))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(*args, **headers):
        servers.append(Server(*args, **headers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def loader(version=None):
    return Loader(path="mine:load", load=lambda customer: None, version=version)


def versions(datas, addresses=STANDARD, **limits):
    customers = [Customer(id=f"c{i}", data=data) for i, data in enumerate(datas)]
    return data_versions(loader(), customers, addresses, Looks(**limits))


HERE = {"schemes": ("http",), "hosts": ("127.0.0.1",)}


def test_a_file_at_a_web_server_is_known_by_its_tag(serve):
    server = serve(ETag='"7"')
    (found,) = versions([f"http://127.0.0.1:{server.port}/x"], Addresses(**HERE))
    assert found.text
    assert server.asked == [("/x", f"127.0.0.1:{server.port}")]


def test_nothing_is_asked_of_a_server_that_rows_may_not_name(serve):
    server = serve(ETag='"7"')
    hosts = ["127.0.0.1", "localhost", "2130706433"]
    found = versions([f"http://{h}:{server.port}/x" for h in hosts], Addresses(schemes=("http",)))
    assert all("addresses.hosts" in version.problem for version in found)
    assert server.asked == []


def test_a_name_that_resolves_to_this_machine_is_refused(serve, monkeypatch):
    server = serve(ETag='"7"')
    resolve = __import__("socket").getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda host, *args, **kwargs: resolve("127.0.0.1", *args, **kwargs)
    )
    address = f"http://rebound.example:{server.port}/x"
    (found,) = versions([address], Addresses(schemes=("http",)))
    assert "'rebound.example' is 127.0.0.1" in found.problem
    assert server.asked == []
    (found,) = versions([address], Addresses(schemes=("http",), hosts=("rebound.example",)))
    assert found.text
    assert server.asked == [("/x", f"rebound.example:{server.port}")]


@pytest.mark.parametrize("target", ["http://127.0.0.2:{port}/x", "ftp://example.org/x"])
def test_a_redirect_does_not_get_around_the_rules(serve, target):
    inner = serve(ETag='"7"')
    outer = serve(302, Location=target.format(port=inner.port))
    (found,) = versions([f"http://127.0.0.1:{outer.port}/x"], Addresses(**HERE))
    assert "addresses." in found.problem
    assert inner.asked == []


def test_a_redirect_to_an_allowed_place_is_followed(serve):
    inner = serve(ETag='"7"')
    outer = serve(302, Location=f"http://127.0.0.1:{inner.port}/y")
    (found,) = versions([f"http://127.0.0.1:{outer.port}/x"], Addresses(**HERE))
    assert found.text
    assert [path for path, _ in inner.asked] == ["/y"]


def test_addresses_need_not_be_looked_at(serve):
    server = serve(ETag='"7"')
    address = f"http://127.0.0.1:{server.port}/x"
    assert versions([address], Addresses(**HERE), by_address=False)[0].text == ""
    assert server.asked == []


class TestLooks:
    def test_slow_looks_are_made_side_by_side(self):
        started = time.monotonic()
        customers = [Customer(id=f"c{i}") for i in range(80)]
        slow = loader(lambda customer: time.sleep(0.25) or "1")
        found = data_versions(slow, customers, limits=Looks(at_once=80))
        assert [version.text for version in found] == ["1"] * 80
        assert time.monotonic() - started < 80 * 0.25 / 2

    def test_a_version_that_hangs_is_that_customers_problem_alone(self):
        ended = threading.Event()
        hanging = loader(lambda customer: "1" if customer.id == "good" else str(ended.wait(60)))
        customers = [Customer(id=name) for name in ("a", "b", "c", "good")]
        found = data_versions(hanging, customers, limits=Looks(seconds=0.3, at_once=1))
        ended.set()
        assert found[-1].text == "1"
        for version in found[:-1]:
            assert "took more than 0.3 seconds (`versions.seconds`)" in version.problem

    def test_all_looks_together_have_a_limit(self):
        ended = threading.Event()
        limits = Looks(seconds=60, total_seconds=0.5, at_once=2)
        found = look_at_all([lambda: "first", *[lambda: str(ended.wait(60))] * 9], limits)
        ended.set()
        assert found[0] == "first"
        assert all(isinstance(each, Overdue) for each in found[1:])
        assert "versions.total_seconds" in found[-1].reason

    @pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()])
    def test_a_version_may_raise_anything(self, error):
        def version(customer):
            raise error

        (found,) = data_versions(loader(version), [Customer(id="a")])
        assert type(error).__name__ in found.problem

    def test_the_end_of_the_process_does_not_wait_for_a_look_that_hangs(self, tmp_path):
        program = tmp_path / "program.py"
        program.write_text(
            "import time\n"
            "from orchestrator.training.parallel_looks import Looks, look_at_all\n"
            "print(look_at_all([lambda: time.sleep(600)], Looks(seconds=0.1))[0].reason)\n"
        )
        ended = subprocess.run(
            [sys.executable, program], capture_output=True, text=True, timeout=120, check=True,
            cwd=Path(__file__).parents[2], env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        assert "took more than 0.1 seconds" in ended.stdout

    @given(
        st.lists(st.floats(0, 0.01), max_size=30),
        st.integers(1, 8),
    )
    def test_every_look_has_its_own_answer(self, sleeps, at_once):
        looks = [lambda n=n, s=s: time.sleep(s) or n for n, s in enumerate(sleeps)]
        assert look_at_all(looks, Looks(at_once=at_once)) == list(range(len(sleeps)))
