"""Zips that mean harm, are broken, or say little: read within limits, never extracted by name."""

import stat
import struct
import time
import zipfile
from datetime import UTC, datetime

import pytest

from autograder.classroom import ClassroomError, archive
from autograder.classroom.archive import EntryError, open_archive


def entry_of(path, name):
    with open_archive(path) as opened:
        return next(e for e in opened.entries if e.name == name)


@pytest.mark.parametrize("name, why", [
    ("../../etc/cron.d/x.ipynb", "leads out"), ("a/../../x.ipynb", "leads out"), ("..\\..\\x.ipynb", "leads out"),
    ("/etc/x.ipynb", "absolute"), ("C:\\x.ipynb", "absolute"), ("\\\\host\\x.ipynb", "absolute"),
    ("a/\x1b[2Jx.ipynb", "control"), ("a/x\nb.ipynb", "control"),
])
def test_names_that_are_traps_are_refused_before_anything_is_read(make_zip, name, why):
    with open_archive(make_zip({name: "x", "ok.ipynb": "y"})) as opened:
        trap, fine = opened.entries
        assert why in trap.refused and fine.refused == ""
        with pytest.raises(EntryError, match=why):
            opened.read(trap)
        assert opened.read(fine) == b"y"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        info = zipfile.ZipInfo("bob/12_flops.ipynb")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    assert "link" in entry_of(path, "bob/12_flops.ipynb").refused


def test_folders_and_what_machines_leave_behind_are_passed_over(make_zip):
    path = make_zip({"bob/": "", "__MACOSX/bob/._a.ipynb": "x", ".DS_Store": "x", "bob/.ipynb_checkpoints/a.ipynb": "x",
                     "bob/._a.ipynb": "x", "bob/a.ipynb": "x"})
    with open_archive(path) as opened:
        assert [e.name for e in opened.entries] == ["bob/a.ipynb"]


def test_a_bomb_is_stopped_while_it_unpacks(make_zip):
    path = make_zip({"a.ipynb": bytes(8 * 2**20), "b.ipynb": "fine"})
    with open_archive(path) as opened:
        with pytest.raises(EntryError, match="zip bomb"):
            opened.read(opened.entries[0])
        assert opened.read(opened.entries[1]) == b"fine"


def test_a_lie_about_the_size_does_not_help(make_zip, monkeypatch):
    """The directory says 10 bytes; what counts is what comes out."""
    monkeypatch.setattr(archive, "MAX_ENTRY_BYTES", 1000)
    path = make_zip({"a.ipynb": bytes(range(256)) * 40})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(raw)
    with open_archive(path) as opened, pytest.raises(EntryError):
        opened.read(opened.entries[0])


def test_limits_of_an_entry_and_of_the_whole(make_zip, monkeypatch):
    noise = bytes((i * i * 7 + i // 251) % 256 for i in range(3000))
    path = make_zip({f"{i}.ipynb": noise for i in range(3)})
    monkeypatch.setattr(archive, "MAX_ENTRY_BYTES", 2999)
    with open_archive(path) as opened, pytest.raises(EntryError, match="larger"):
        opened.read(opened.entries[0])
    monkeypatch.setattr(archive, "MAX_ENTRY_BYTES", 3000)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 7000)
    with open_archive(path) as opened:
        assert [len(opened.read(e)) for e in opened.entries[:2]] == [3000, 3000]
        with pytest.raises(ClassroomError, match="in parts"):
            opened.read(opened.entries[2])
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    with pytest.raises(ClassroomError, match="3 files"), open_archive(path):
        pass


def test_broken_and_encrypted_zips_are_one_sentence(make_zip, tmp_path):
    path = make_zip({"a.ipynb": "x" * 5000})
    whole = path.read_bytes()
    for content in (b"", b"no zip", whole[:-30], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ClassroomError, match="download it again"), open_archive(path):
            pass
    for at, step in ((whole.index(b"PK\x03\x04"), 6), (whole.index(b"PK\x01\x02"), 8)):
        whole = whole[: at + step] + bytes([whole[at + step] | 1]) + whole[at + step + 1 :]
    path.write_bytes(whole)
    with pytest.raises(ClassroomError, match="encrypted"), open_archive(path):
        pass
    with pytest.raises(ClassroomError, match="not a file"), open_archive(tmp_path / "nowhere.zip"):
        pass


def test_one_damaged_file_leaves_the_others(make_zip):
    path = make_zip({"a.ipynb": "first" * 500, "b.ipynb": "second"})
    raw = bytearray(path.read_bytes())
    start = raw.index(b"a.ipynb") + len(b"a.ipynb")
    raw[start + 3] ^= 0xFF
    path.write_bytes(raw)
    with open_archive(path) as opened:
        with pytest.raises(EntryError, match="damaged"):
            opened.read(opened.entries[0])
        assert opened.read(opened.entries[1]) == b"second"


def test_times_come_from_the_extra_field_else_from_local_time(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name, when, extra in (("plain", (2026, 7, 1, 8, 0, 0), b""), ("none", (1980, 1, 1, 0, 0, 0), b""),
                                      ("utc", (2026, 7, 1, 8, 0, 0), struct.pack("<HHBi", 0x5455, 5, 1, 1_800_000_000))):
                info = zipfile.ZipInfo(name, when)
                info.extra = extra
                file.writestr(info, "x")
        assert entry_of(path, "plain").written == datetime(2026, 7, 1, 12, tzinfo=UTC)  # New York has UTC-4 in July
        assert entry_of(path, "utc").written == datetime.fromtimestamp(1_800_000_000, UTC)
        assert entry_of(path, "none").written is None
    finally:
        monkeypatch.undo()
        time.tzset()


def test_utf8_names_without_the_flag_are_read_as_utf8(make_zip):
    path = make_zip({"xx.ipynb": "x"})
    raw = path.read_bytes().replace(b"xx.ipynb", "é.ipynb".encode())
    path.write_bytes(raw)
    assert entry_of(path, "é.ipynb")
