"""The network in a replay: closed, whoever reaches for it, but for what is permitted."""

from __future__ import annotations

import _socket
import asyncio
import contextlib
import multiprocessing
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request
from http.client import HTTPConnection

import httpx
import pytest
import requests
import urllib3

from otel_agent_replay import DivergenceError, agent, open_store, replay, tool
from otel_agent_replay.errors import ConfigurationError
from tests.effects.agents import recorded, replayed
from tests.setup.programs import Place

pytestmark = [
    # A stopped agent leaves its sockets and threads as they are.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class _Answering(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.server.heard.append(self.rfile.readline())
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@pytest.fixture
def server():
    """A server on loopback that notes who came."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answering) as made:
        made.heard = []
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _connect(address):
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return connection.recv(100)


def _bare(address):
    bare = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        bare.connect(address)
        bare.send(b"GET / HTTP/1.1\r\n\r\n")
        return bare.recv(100)
    finally:
        bare.close()


def _datagram(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        return sending.sendto(b"x", address)


def _message(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        return sending.sendmsg([b"x"], [], 0, address)


def _urllib(address):
    with urllib.request.urlopen("http://{}:{}/".format(*address)) as answer:
        return answer.read()


def _http_client(address):
    connection = HTTPConnection(*address)
    connection.request("GET", "/")
    return connection.getresponse().read()


def _asyncio(address):
    async def ask():
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        found = await reader.read(100)
        writer.close()
        return found

    return asyncio.run(ask())


def _thread(address):
    found = []
    thread = threading.Thread(target=lambda: found.append(_connect(address)))
    thread.start()
    thread.join()
    return found


def _detached(address):
    """A thread that has no context at all."""
    found = []
    import _thread as low_level

    done = threading.Event()

    def work():
        try:
            found.append(_connect(address))
        except BaseException:  # noqa: BLE001, S110 - the report has it
            pass
        finally:
            done.set()

    low_level.start_new_thread(work, ())
    done.wait(20)
    return found


WAYS = [
    _connect,
    _bare,
    _datagram,
    _message,
    _urllib,
    _http_client,
    _asyncio,
    _thread,
    _detached,
]


def _stopped(run, code, **options):
    """Return the report of code that a replay must not let through."""
    with pytest.raises(DivergenceError) as stopped, replay(run, **options):
        agent(name="reader")(code)()
    return str(stopped.value)


@pytest.fixture
def run():
    """A run of an agent that did nothing."""
    return recorded(lambda: None)[1]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_gets_out(way, server, run):
    """Whatever opens the connection, it is stopped and reported, and nobody called."""
    told = _stopped(run, lambda: way(server.server_address) and None)
    assert f"localhost:{server.server_address[1]}" in told
    assert "network" in told
    assert not server.heard


@pytest.mark.parametrize("way", [w for w in WAYS if w is not _detached])
def test_a_permitted_address_may_be_reached(way, server, run):
    """Loopback too is closed unless it is named; named, it works as ever."""
    where = f"127.0.0.1:{server.server_address[1]}"
    with replay(run, network=(where,), live=("http",)) as session:
        agent(name="reader")(lambda: way(server.server_address) and None)()
    assert session.report.ok


@pytest.mark.parametrize(
    "look_up",
    [
        lambda: socket.getaddrinfo("agent-replay.invalid", 443),
        lambda: socket.gethostbyname("agent-replay.invalid"),
        lambda: socket.gethostbyname_ex("agent-replay.invalid"),
        lambda: _socket.getaddrinfo("agent-replay.invalid", 443),
        lambda: asyncio.run(_looked_up("agent-replay.invalid")),
    ],
)
def test_no_name_is_looked_up(look_up, run):
    """A name tells its server what the agent is at."""
    assert "agent-replay.invalid" in _stopped(run, look_up)


@pytest.mark.parametrize(
    "look_up",
    [
        lambda: socket.gethostbyaddr("192.0.2.7"),
        lambda: socket.getfqdn("192.0.2.7"),
        lambda: socket.getnameinfo(("192.0.2.7", 443), 0),
    ],
)
def test_nobody_is_asked_whose_an_address_is(look_up, run):
    """That is a question to a server as well; of loopback it is none."""
    assert "192.0.2.7" in _stopped(run, look_up)
    replayed(run, lambda: socket.getfqdn("127.0.0.1") and None)


async def _looked_up(name):
    return await asyncio.get_running_loop().getaddrinfo(name, 443)


def test_the_agent_cannot_swallow_it(server, run):
    """Neither `except Exception` nor a bare `except` makes the replay a good one."""

    def careless():
        with contextlib.suppress(Exception):
            _connect(server.server_address)

    def reckless():
        try:
            _connect(server.server_address)
        except:  # noqa: E722, S110 - as agents do
            pass

    assert "network" in _stopped(run, careless)
    assert "network" in _stopped(run, reckless)
    assert not server.heard


def test_it_says_from_where(server, run):
    """The report names the calls that the connection was made inside."""

    @tool
    def send_mail():
        _connect(server.server_address)

    told = _stopped(run, lambda: send_mail())
    assert "send_mail" in told
    assert not server.heard


def test_an_undeclared_tool_of_a_live_one_may_act(server):
    """What is named in `live` goes live with all that it does."""

    @tool
    def fetch(number):
        return len(_connect(server.server_address)) > number

    _, run = recorded(lambda: fetch(1))
    heard = len(server.heard)
    with replay(run, live=("fetch",), strict=False):
        agent(name="reader")(lambda: fetch(2))()
    assert len(server.heard) == heard + 1


def test_what_stays_in_the_machine_works(tmp_path):
    """Unix sockets, pairs, asyncio's own pipe, and processes are no network."""

    async def pipes():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(1)", stdout=subprocess.PIPE
        )
        return (await process.communicate())[0].strip()

    def code():
        left, right = socket.socketpair()
        with left, right:
            left.sendall(b"x")
            assert right.recv(1) == b"x"
        path = str(tmp_path / f"s{len(list(tmp_path.iterdir()))}")
        with socket.socket(socket.AF_UNIX) as serving:
            serving.bind(path)
            serving.listen()
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(path)
        assert asyncio.run(pipes()) == b"1"
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(abs, (-1,)) == 1
            pool.close()
            pool.join()
        assert socket.getaddrinfo("127.0.0.1", 80)
        assert socket.getaddrinfo(None, 80)

    _, run = recorded(code)
    replayed(run, code)


@pytest.mark.parametrize(
    "get", [httpx.get, requests.get, lambda url: urllib3.request("GET", url)]
)
def test_a_client_that_is_recorded_is_stopped_before_it_connects(get, server, run):
    """Of these the report names the request, not the connection."""
    url = f"http://127.0.0.1:{server.server_address[1]}/mail"
    assert "/mail" in _stopped(run, lambda: get(url) and None)
    assert not server.heard


def test_outside_a_replay_the_network_is_open(server, run):
    """Before, after and beside a replay everything connects as ever."""
    assert _connect(server.server_address)
    replayed(run, lambda: None)
    assert _connect(server.server_address)


def test_our_own_traffic_goes_on(run):
    """A store is read and written inside a replay."""
    with replay(run, strict=False), open_store() as store:
        assert store.load(run.run_id).run_id == run.run_id


@pytest.mark.external_service
def test_a_server_store_goes_on(clickhouse_url):
    """A store over HTTP on loopback needs no permission."""
    import otel_agent_replay

    otel_agent_replay.configure(store=clickhouse_url)
    agent(name="reader")(lambda: None)()
    with open_store(clickhouse_url) as store:
        run = store.load(store.runs()[0].run_id)
    with replay(run) as session, open_store(clickhouse_url) as store:
        assert store.load(run.run_id).run_id == run.run_id
        agent(name="reader")(lambda: None)()
    assert session.report.ok


def test_a_child_process_is_closed_too(server, tmp_path):
    """A Python program that the agent starts is in the replay as well."""
    place = Place(folder=tmp_path)
    place.write(
        "child.py",
        """
        import os, socket
        if "REACH" in os.environ:
            where = ("127.0.0.1", int(os.environ["REACH"]))
            print("reached", socket.create_connection(where))
        """,
    )
    place.write(
        "parent.py",
        """
        import subprocess, sys
        import otel_agent_replay
        from otel_agent_replay import agent, step

        otel_agent_replay.configure()

        @agent
        def run():
            subprocess.run([sys.executable, "child.py"])

        run()
        """,
    )
    script = ("--", sys.executable, "parent.py")
    assert place.run("-m", "otel_agent_replay.cli", "record", *script).code == 0
    port = str(server.server_address[1])
    command = ("replay", "last", *script)
    assert place.run("-m", "otel_agent_replay.cli", *command).code == 0
    done = place.run("-m", "otel_agent_replay.cli", *command, REACH=port)
    assert done.code != 0
    assert "reached" not in done.out
    assert f"localhost:{port}" in done.err
    assert not server.heard


@pytest.mark.parametrize("text", ["", "127.0.0.1:port", "http://127.0.0.1:80/x"])
def test_what_is_no_address_is_refused(text, run):
    """A permission that would permit nothing is a mistake that is told."""
    with (
        pytest.raises(ConfigurationError, match="host:port"),
        replay(run, network=(text,)),
    ):
        pass
