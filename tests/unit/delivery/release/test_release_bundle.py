"""Bundles and the registry: an id from the bytes, nothing altered unnoticed, a pointer that moves in one step."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.delivery.release import Registry, TensorContract, build_manifest, read_manifest, release_id, verify_manifest

RAW = TensorContract("raw", "uint8", (None, 8, 8, 1), "NHWC", (0, 255))
NAMES = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), min_size=1, max_size=6)


def by_hand(files):
    lines = [n.encode() + b"\0" + hashlib.sha256(files[n]).hexdigest().encode() + b"\n" for n in sorted(files)]
    return hashlib.sha256(b"".join(lines)).hexdigest()


@given(st.dictionaries(NAMES, st.binary(max_size=9), min_size=1, max_size=5), st.randoms())
def test_the_id_is_that_of_the_text_and_knows_no_order(files, random):
    items = list(files.items())
    random.shuffle(items)
    assert release_id(dict(items)) == by_hand(files)


@given(st.dictionaries(NAMES, st.binary(max_size=3), min_size=1, max_size=3),
       st.dictionaries(NAMES, st.binary(max_size=3), min_size=1, max_size=3))
def test_other_files_have_another_id(a, b):
    assert (release_id(a) == release_id(b)) == (a == b)


def test_the_golden_id_and_the_refusals():
    assert release_id({"model.onnx": b"abc", "labels.txt": b"0\n1\n"}).startswith("a5ddf8c9cc70ca3d")
    for files in ({}, {"a\0": b""}, {"a\nb": b""}):
        with pytest.raises(ValueError, match=r"files must not|a name must"):
            release_id(files)


def test_a_manifest_finds_what_was_changed(tmp_path):
    files = {"a.bin": b"1", "b.bin": b"2"}
    manifest = build_manifest(files, RAW, {"accuracy": 0.9})
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert verify_manifest(tmp_path, manifest) == []
    assert TensorContract.from_dict(read_manifest(tmp_path)["contract"][0]) == RAW
    (tmp_path / "a.bin").write_bytes(b"3")
    (tmp_path / "b.bin").unlink()
    (tmp_path / "c.bin").write_bytes(b"")
    assert verify_manifest(tmp_path, manifest) == ["b.bin is missing", "c.bin is extra", "a.bin was altered"]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "c.bin").unlink()
    assert verify_manifest(tmp_path, {**manifest, "release": "0" * 64}) == ["the manifest's release id is not that of its files"]


def test_the_id_covers_the_files_and_not_the_manifest():
    files = {"model.onnx": b"1"}
    other = TensorContract("raw", "float32", (None, 8, 8, 1), "NHWC", (0, 1))
    plain, changed = (build_manifest(files, c, {"accuracy": a})["release"] for c, a in ((RAW, 0.9), (other, 0.1)))
    assert plain == changed
    with_file = [release_id({**files, "contract.json": json.dumps(c.as_dict()).encode()}) for c in (RAW, other)]
    assert len({plain, *with_file}) == 3


def test_promote_and_roll_back(tmp_path):
    registry = Registry(tmp_path)
    ids = [registry.add({"model.onnx": bytes([i])}, RAW, {}) for i in range(3)]
    assert registry.add({"model.onnx": bytes([0])}, RAW, {"other": 1}) == ids[0]
    assert len(list((tmp_path / "bundles").iterdir())) == 3
    with pytest.raises(KeyError, match="promoted"):
        registry.current("digits")
    for release in ids:
        registry.promote("digits", release)
    assert [registry.rollback("digits"), registry.rollback("digits")] == [ids[1], ids[0]]  # never forward again
    assert registry.current("digits") == ids[0]
    assert [kind for kind, _ in registry.history("digits")] == ["promote"] * 3 + ["rollback"] * 2
    with pytest.raises(ValueError, match="earlier release"):
        registry.rollback("digits")
    assert Registry(tmp_path).current("digits") == ids[0]  # it is all on the disk
    assert sorted(p.name for p in (tmp_path / "pointers").iterdir()) == ["digits.json"]  # no drafts left


def test_a_damaged_bundle_is_neither_promoted_nor_rolled_back_to(tmp_path):
    registry = Registry(tmp_path)
    one, two = (registry.add({"model.onnx": data}, RAW, {}) for data in (b"1", b"2"))
    registry.promote("digits", one)
    (registry.folder(two) / "model.onnx").write_bytes(b"x")
    with pytest.raises(ValueError, match="altered"):
        registry.promote("digits", two)
    assert registry.current("digits") == one
    (registry.folder(two) / "model.onnx").write_bytes(b"2")
    registry.promote("digits", two)
    (registry.folder(one) / "model.onnx").unlink()
    with pytest.raises(ValueError, match="missing"):
        registry.rollback("digits")
    assert registry.current("digits") == two
    with pytest.raises(KeyError, match="no release"):
        registry.promote("digits", "0" * 64)


@pytest.mark.parametrize("name", ["../model.onnx", "a/b", "", "manifest.json", ".hidden", ".."])
def test_a_file_name_stays_inside_the_bundle(tmp_path, name):
    with pytest.raises(ValueError, match="plain"):
        Registry(tmp_path).add({name: b""}, RAW, {})


def test_pointer_and_release_names_are_checked(tmp_path):
    registry = Registry(tmp_path)
    with pytest.raises(ValueError, match="letters"):
        registry.current("../x")
    with pytest.raises(ValueError, match="64 hex"):
        registry.promote("digits", "../x")


def test_a_write_that_fails_leaves_the_pointer_as_it_was(tmp_path, monkeypatch):
    registry = Registry(tmp_path)
    one, two = (registry.add({"m": data}, RAW, {}) for data in (b"1", b"2"))
    registry.promote("digits", one)

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("utils.delivery.release.registry.os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        registry.promote("digits", two)
    assert registry.current("digits") == one
    assert [p.name for p in (tmp_path / "pointers").iterdir()] == ["digits.json"]
