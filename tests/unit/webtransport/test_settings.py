"""What start()'s `webtransport` and an application's `transports` mean together, and errors that name the value."""

from __future__ import annotations

import pytest

import fastsio
from fastsio.webtransport.settings import Settings, settings_of

ALL = ("polling", "websocket", "webtransport")
FILES = ("cert.pem", "key.pem", b"secret")


@pytest.mark.parametrize("given", [None, False])
def test_nobody_listens_for_what_the_application_does_not_name(given):
    assert settings_of(given, FILES, ("polling", "websocket")) is None


def test_false_is_no_listener_though_the_application_names_it():
    assert settings_of(False, (None, None, None), ALL) is None


@pytest.mark.parametrize("given", [None, True, {}])
def test_certificate_is_the_servers(given):
    settings = settings_of(given, FILES, ALL)
    assert settings is not None
    assert (settings.certfile, settings.keyfile, settings.keyfile_password) == FILES


def test_certificate_of_its_own_goes_first():
    given = {"certfile": "quic.pem", "keyfile": "quic.key", "max_connections": 5}
    settings = settings_of(given, FILES, ALL)
    assert settings == Settings(certfile="quic.pem", keyfile="quic.key", max_connections=5)
    assert settings_of(settings, FILES, ALL) is settings


def test_missing_certificate_is_an_error_that_says_what_to_give():
    with pytest.raises(ValueError, match="webtransport, which is HTTP/3 and needs a certificate"):
        settings_of(None, (None, None, None), ALL)


@pytest.mark.parametrize("given", [True, {"port": 443}])
def test_transport_that_the_application_does_not_name_is_an_error(given):
    with pytest.raises(ValueError, match=r"transports=.'polling', 'webtransport'."):
        settings_of(given, FILES, ("polling",))


def test_unknown_setting_is_an_error_that_names_the_nearest():
    with pytest.raises(TypeError, match=r"'max_conections'.*max_connections"):
        settings_of({"max_conections": 5}, FILES, ALL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_connections", 0),
        ("max_connections", True),
        ("max_handshakes", 1.5),
        ("receive_window", 1000),
        ("send_buffer", "many"),
        ("port", 0),
        ("port", 65_536),
    ],
)
def test_wrong_value_is_an_error_that_names_it(name, value):
    with pytest.raises(ValueError, match=f"webtransport: {name}={value!r}"):
        Settings(**{name: value})


def test_what_is_no_settings_at_all_is_an_error():
    with pytest.raises(ValueError, match="webtransport='yes'"):
        settings_of("yes", FILES, ALL)


async def test_server_without_a_certificate_does_not_start(watch):
    io = fastsio.IO(transports=ALL)
    with pytest.raises(ValueError, match="needs a certificate"):
        await fastsio.start(io, port=0)
    assert io.hub.engine is None
