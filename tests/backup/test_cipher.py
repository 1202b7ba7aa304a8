"""Sealed files: what goes in comes out, and nothing else does."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.backup import cipher
from monitor.errors import ConfigError

KEY = "a key of the tests for sealing"


def sealed(plain: bytes) -> bytes:
    target = io.BytesIO()
    cipher.seal(io.BytesIO(plain), target, secret=KEY, name="one")
    return target.getvalue()


def opened(content: bytes, *, secret: str = KEY, name: str = "one") -> bytes:
    with io.BufferedReader(cipher.Opened(io.BytesIO(content), secret=secret, name=name)) as reading:
        return reading.read()


@pytest.mark.parametrize("size", [0, 1, cipher.FRAME - 1, cipher.FRAME, cipher.FRAME + 1, 3 * cipher.FRAME])
def test_what_is_sealed_opens(size: int) -> None:
    plain = os.urandom(size)
    content = sealed(plain)
    assert opened(content) == plain
    assert size < 32 or plain[:32] not in content


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_changed_byte_is_noticed(plain: bytes, data: st.DataObject) -> None:
    content = bytearray(sealed(plain))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ConfigError):
        opened(bytes(content))


def test_another_key_another_name_and_an_end_cut_off_are_noticed() -> None:
    content = sealed(os.urandom(2 * cipher.FRAME))
    with pytest.raises(ConfigError, match="another key"):
        opened(content, secret="another key of the tests")
    with pytest.raises(ConfigError, match="cannot be opened"):
        opened(content, name="two")
    whole_frames = len(content) - cipher.FRAME - 16 - 4
    with pytest.raises(ConfigError, match="cannot be opened"):
        opened(content[:whole_frames])


def test_a_file_is_put_and_read_sealed_or_plain(tmp_path: Path) -> None:
    for secret, name in ((KEY, "file.sealed"), (None, "file")):
        (tmp_path / "source").write_bytes(b"content")
        put = cipher.put(tmp_path / "source", tmp_path / "file", secret=secret)
        assert put == tmp_path / name
        assert not (tmp_path / "source").exists()
        with cipher.read(put, secret=secret) as reading:
            assert reading.read() == b"content"
    with pytest.raises(ConfigError, match="AGENT_MONITOR_BACKUP_KEY"):
        cipher.read(tmp_path / "file.sealed", secret=None)
