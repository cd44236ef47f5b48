"""TLS to a server, through a proxy that ends it: the test server has none itself."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from otel_agent_replay.errors import StoreAccessError, StoreUnavailableError
from otel_agent_replay.store import open_store
from otel_agent_replay.testing.store_samples import hex_id, sample_run

pytestmark = pytest.mark.external_service


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return a directory with a certificate for localhost, and another one."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    directory = tmp_path_factory.mktemp("certificates")
    for name in ("right", "wrong"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-days", "2", "-subj", f"/CN={name}"),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
                *(
                    "-keyout",
                    directory / f"{name}.key",
                    "-out",
                    directory / f"{name}.pem",
                ),
            ],
            check=True,
            capture_output=True,
        )
    return directory


@pytest.fixture
def tls_port(clickhouse_url, certificates):
    """Return the port of a proxy that speaks TLS for the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "right.pem", certificates / "right.key")
    with _proxy(urlsplit(clickhouse_url).port, context) as port:
        yield port


@contextmanager
def _proxy(server_port, context):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(
            target=_accept, args=(listener, server_port, context), daemon=True
        )
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener, server_port, context):
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(
            target=_serve, args=(plain, server_port, context), daemon=True
        ).start()


def _serve(plain, server_port, context):
    # A client that does not like the certificate breaks off.
    with (
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection(("127.0.0.1", server_port)) as server,
    ):
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source, target):
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _url(clickhouse_url, port, query, password=None):
    parts = urlsplit(clickhouse_url)
    user = f"{parts.username}:{password or parts.password}"
    return f"clickhouse://{user}@localhost:{port}{parts.path}?secure=true&{query}"


def test_runs_go_over_tls(clickhouse_url, certificates, tls_port):
    """With the server's certificate given, writing and reading work."""
    url = _url(clickhouse_url, tls_port, f"ca_cert={certificates}/right.pem")
    store = open_store(url)
    store.write(sample_run("safe"))

    assert len(store.spans(hex_id("safe"))) == 4
    store.close()


@pytest.mark.parametrize("query", ["", "ca_cert={}/wrong.pem"])
def test_an_unknown_certificate_is_refused(
    clickhouse_url, certificates, tls_port, query
):
    """A server that cannot prove who it is gets no password."""
    url = _url(clickhouse_url, tls_port, query.format(certificates))
    with pytest.raises(StoreUnavailableError, match=r"(?i)certificate") as caught:
        open_store(url)

    assert urlsplit(clickhouse_url).password not in str(caught.value)


def test_a_wrong_password_over_tls_is_said_and_not_shown(
    clickhouse_url, certificates, tls_port
):
    """The error is about access, and holds no password."""
    query = f"ca_cert={certificates}/right.pem"
    with pytest.raises(StoreAccessError) as caught:
        open_store(_url(clickhouse_url, tls_port, query, password="wr0ng-w0rd"))

    assert "wr0ng" not in str(caught.value) + repr(caught.value)


def test_a_server_without_tls_is_told(clickhouse_url):
    """`secure` towards a plain port is an error of reach, and a quick one."""
    port = urlsplit(clickhouse_url).port
    with pytest.raises(StoreUnavailableError):
        open_store(_url(clickhouse_url, port, "connect_timeout=5"))
