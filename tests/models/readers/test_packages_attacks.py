"""Malicious pickles are rejected without any effect and in little memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.models.published import (
    HDEMUCS_MMI,
    HTDEMUCS,
    TINY,
    archive,
    draw,
    package,
    pickled,
    published,
    tiny_graphs,
)

from unbraid.errors import ModelError
from unbraid.models.convert import convert_bag
from unbraid.models.readers.packages import read_package
from unbraid.models.readers.pickle_names import NAMES
from unbraid.models.readers.pickles import LONGEST

P2, P4 = b"\x80\x02", b"\x80\x04"
STATE = draw({"a": (4, 2)})
GOOD = pickled(package(STATE))


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def name(dotted: str) -> bytes:
    module, _, last = dotted.rpartition(".")
    return f"c{module}\n{last}\n".encode()


# Creates a file if it is executed.
COMMAND = text("touch harmed")

CODE = {
    "REDUCE": P2 + name("os.system") + COMMAND + b"\x85R.",
    "REDUCE, posix": P2 + name("posix.system") + COMMAND + b"\x85R.",
    "REDUCE, subprocess": P2
    + name("subprocess.check_output")
    + b"]("
    + text("touch")
    + text("harmed")
    + b"e\x85R.",
    "REDUCE, eval": P2 + name("builtins.eval") + text("open('harmed', 'w')") + b"\x85R.",
    "REDUCE, protocol 0": b"cos\nsystem\n(S'touch harmed'\ntR.",
    "OBJ": P2 + b"(" + name("os.system") + COMMAND + b"o.",
    "INST": b"(S'touch harmed'\nios\nsystem\n.",
    "STACK_GLOBAL": P4 + short("os") + short("system") + b"\x93" + short("touch harmed") + b"\x85R.",
    "inside the state": GOOD[:-1] + b"0" + name("os.system") + COMMAND + b"\x85R.",
    "before the package": P2 + name("os.system") + COMMAND + b"\x85R0" + GOOD[2:],
}

NAMED = {
    "NEWOBJ": P2 + name("subprocess.Popen") + b"](" + text("touch") + text("harmed") + b"e\x85\x81.",
    "NEWOBJ_EX": P4 + name("subprocess.Popen") + b"(" + short("touch") + short("harmed") + b"t\x85}\x92.",
    "dotted name in an allowed function": P2 + b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
    "dotted name, STACK_GLOBAL": P4 + short("fractions") + short("Fraction.__init__.__globals__") + b"\x93.",
    "a name of our own modules": P2 + name("unbraid.models.readers.packages.read_package") + b".",
    "a module with side effects on import": P2 + name("antigravity.fly") + b".",
    "getattr": P2 + name("builtins.getattr") + name("fractions.Fraction") + text("__class__") + b"\x86R.",
    "torch.load": P2 + name("torch.load") + text("harmed") + b"\x85R.",
    "numpy.load": P2 + name("numpy.load") + text("harmed") + b"\x85R.",
    "numpy's test runner": P2 + name("numpy.testing._private.utils.runstring") + text("1") + b"}\x86R.",
    "_codecs.decode": P2 + name("_codecs.decode") + text("bomb") + text("zlib") + b"\x86R.",
    "EXT1": P2 + b"\x82\x01.",
    "EXT2": P2 + b"\x83\x01\x00.",
    "EXT4": P2 + b"\x84\x01\x00\x00\x00.",
    "PERSID": b"P0\n.",
    "a persistent id that is a name": P2 + name("fractions.Fraction") + b"Q.",
    "a call of the network's class": P2 + name("demucs.htdemucs.HTDemucs") + b")R.",
    "a call of a type of storage": P2 + name("torch.HalfStorage") + b")R.",
    "a call of a text": P2 + text("a") + b")R.",
    "a call of a call's result": P2 + name("collections.OrderedDict") + b")R)R.",
    "a call with a list": P2 + name("collections.OrderedDict") + b"]R.",
    "attributes of an allowed function": P2
    + name("fractions.Fraction")
    + b"}"
    + text("make")
    + text("x")
    + b"sb.",
    "slots of an allowed function": P2
    + name("fractions.Fraction")
    + b"N}"
    + text("make")
    + text("x")
    + b"s\x86b.",
    "attributes of the network's class": P2 + name("demucs.htdemucs.HTDemucs") + b"}" + text("x") + b"Nsb.",
    "attributes of a type of numbers": P2 + name("torch.HalfStorage") + b"}" + text("x") + b"Nsb.",
    "attributes of a fraction": P2 + name("fractions.Fraction") + b"K\x01K\x02\x86R}" + text("x") + b"Nsb.",
    "a line break in a name": P2 + b"cos\nsys\rtem\n.",
    "a name of 200,000 characters": P2 + b"c" + b"o" * 100_000 + b"\n" + b"s" * 100_000 + b"\n.",
    "a name that is not UTF-8": P2 + b"c\xff\xfe\nsystem\n.",
    "protocol 255": b"\x80\xff" + GOOD[2:],
    "buffers": b"\x80\x05\x97\x98.",
}

# Lists that contain the previous list twice, 60 levels.
DOUBLED = b"]" + b"q\x00(h\x00h\x00e" * 60

MEMORY = {
    "a memo of 4 billion": P2 + b"Nr\xff\xff\xff\xff.",
    "a memo of 2 billion": P2 + b"Nr\xff\xff\xff\x7f0" + GOOD[2:],
    "BINUNICODE of 4 GB": P2 + b"X\xff\xff\xff\xff.",
    "BINUNICODE8 of 2**62 bytes": P4 + b"\x8d" + struct.pack("<Q", 1 << 62) + b".",
    "BINUNICODE8 of 2**64 bytes": P4 + b"\x8d" + b"\xff" * 8 + b".",
    "BINBYTES of 4 GB": P2 + b"B\xff\xff\xff\xff.",
    "BINBYTES8 of 2**40 bytes": P4 + b"\x8e" + struct.pack("<Q", 1 << 40) + b".",
    "BYTEARRAY8 of 2**40 bytes": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "BINSTRING of 2 GB": P2 + b"T\xff\xff\xff\x7f.",
    "LONG4 of 2 GB": P2 + b"\x8b\xff\xff\xff\x7f.",
    "LONG4 of -1 bytes": P2 + b"\x8b\xff\xff\xff\xff.",
    "a frame of 2**62 bytes": P4 + b"\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "a number of 200,000 digits": b"I" + b"9" * 200_000 + b"\n.",
    "a long number of 200,000 digits": b"L" + b"9" * 200_000 + b"L\n.",
    "a fraction of a billion digits": P2 + name("fractions.Fraction") + text("1e999999999") + b"\x85R.",
    "a fraction of 200,000 digits": P2 + name("fractions.Fraction") + text("1/" + "9" * 200_000) + b"\x85R.",
    "nested lists, 2**60 in all": P2 + DOUBLED + b".",
    "nested tuples as a name, 2**60 in all": P2 + b"})" + b"q\x00h\x00\x86" * 60 + b"Ns.",
    "a list in itself": P2 + b"]q\x00h\x00a.",
    "a dict in itself": P2 + b"}q\x00" + text("state") + b"h\x00s.",
    "a tuple in itself": P2 + b"]q\x00h\x00\x85a.",
    "nested lists, 200,000 deep": b"(" * 50_000 + b"l" * 50_000 + b".",
    "nested tuples, 100,000 deep": P2 + b")" + b"\x85" * (LONGEST // 2) + b".",
    "nested tuples in the package": GOOD[:-2] + text("x") + b")" + b"\x85" * (LONGEST // 2) + b"su.",
    "many marks": P2 + b"(" * LONGEST + b".",
    "many lists": P2 + b"]" * LONGEST + b".",
    "many copies": P2 + b")q\x00" + b"h\x00" * (LONGEST // 2) + b".",
    "many memos": P2 + b")" + b"".join(b"r" + struct.pack("<I", i) for i in range(50_000)) + b".",
    "more bytes than any package": P2 + b"N0" * LONGEST + b".",
}

INVALID = {
    "nothing": b"",
    "no end": P2 + b"N",
    "an end with an empty stack": P2 + b".",
    "two objects at the end": P2 + b"NN.",
    "bytes after the end": GOOD + b"N.",
    "not a package": P2 + b"N.",
    "an unknown instruction": P2 + b"\xff.",
    "a memo that isn't there": P2 + b"h\x00.",
    "a tuple without a mark": P2 + b"t.",
    "a tuple of three from two objects": P2 + b"NN\x87.",
    "an entry in no dict": P2 + b"NNs.",
    "an entry in a list": P2 + b"]NNs.",
    "half an entry": P2 + b"}(Nu.",
    "an item appended to a dict": P2 + b"}Na.",
    "a duplicate entry": P2 + b"}(" + text("state") + b"N" + text("state") + b"Nu.",
    "an entry with a list as name": P2 + b"}]Ns.",
    "a call of nothing": P2 + b"R.",
    "attributes of nothing": P2 + b"b.",
    "half a character": P2 + b"X\x01\x00\x00\x00\xc3.",
    "POP, DUP": P2 + b"N20.",
    "half a character in a name": P2 + text("a")[:-1] + b"\xed.",
}

ATTACKS = {**CODE, **NAMED, **MEMORY, **INVALID}


@pytest.fixture(scope="module")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a package for each attack."""
    folder = tmp_path_factory.mktemp("attacks")
    for number, content in enumerate(ATTACKS.values()):
        (folder / f"{number}.th").write_bytes(archive(content, STATE))
    yield folder


def test_attacks_work_against_the_standard_reader(tmp_path: Path) -> None:
    """Check that the attacks are real."""
    for attack in CODE.values():
        code = f"import pickle\ntry:\n  pickle.loads({attack!r})\nexcept Exception: pass"
        subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, check=True)
        # Attacks after a complete package need PyTorch to run, and -S hides installed packages.
        assert (tmp_path / "harmed").exists() or GOOD[2:-1] in attack
        (tmp_path / "harmed").unlink(missing_ok=True)


def test_reads_a_valid_package(tmp_path: Path) -> None:
    path = tmp_path / "a.th"
    path.write_bytes(archive(GOOD, STATE))
    assert set(read_package(path).state) == {"a"}


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_rejected_with_one_line(attacks: Path, attack: str) -> None:
    before = dict(NAMES)
    path = attacks / f"{list(ATTACKS).index(attack)}.th"
    with pytest.raises(ModelError) as caught:
        read_package(path)
    message = caught.value.message
    assert message.startswith(f"{path} can't be used: ")
    assert message.isprintable() and len(message) < len(str(path)) + 300
    assert before == NAMES


def write_sparse(content: bytes, path: Path, size: int) -> None:
    """Write an archive whose last entry has `size` more zeros than in `content`, as a sparse file."""
    start = content.index(b"PK\x01\x02")
    directory = bytearray(content[start:])
    last, end = directory.rindex(b"PK\x01\x02"), directory.rindex(b"PK\x05\x06")
    compressed, whole = struct.unpack_from("<II", directory, last + 20)
    struct.pack_into("<II", directory, last + 20, compressed + size, whole + size)
    struct.pack_into("<I", directory, end + 16, start + size)
    with path.open("wb") as file:
        file.write(content[:start])
        file.seek(size, os.SEEK_CUR)
        file.write(directory)


def pickle_last(entries: dict[str, bytes]) -> None:
    entries["archive/data.pkl"] = entries.pop("archive/data.pkl")


def test_huge_pickle_is_not_read(tmp_path: Path) -> None:
    write_sparse(archive(GOOD, STATE, pickle_last), tmp_path / "a.th", 900 << 20)
    tracemalloc.start()
    with pytest.raises(ModelError, match="description is too long"):
        read_package(tmp_path / "a.th")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_huge_zip_directory_is_not_read(tmp_path: Path) -> None:
    content = bytearray(archive(GOOD, STATE))
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<I", content, end + 12, 500 << 20)
    with (tmp_path / "a.th").open("wb") as file:
        file.write(content[:end])
        file.seek(500 << 20)
        file.write(content[end:])
    tracemalloc.start()
    with pytest.raises(ModelError, match="directory is too long"):
        read_package(tmp_path / "a.th")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "segment", ["9" * 5_000, [0] * 900, True, 2**62, 1e300, -1, 0, {"s": 1}, None], ids=lambda s: repr(s)[:20]
)
@pytest.mark.parametrize(("class_name", "arguments"), [("HTDemucs", HTDEMUCS), ("HDemucs", HDEMUCS_MMI)])
def test_rejects_huge_or_invalid_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, class_name: str, arguments: dict[str, Any], segment: Any
) -> None:
    tiny_graphs(monkeypatch, tmp_path / "graphs")
    path = published(tmp_path / "a.th", draw(TINY), {**arguments, "segment": segment}, class_name)
    loaded = read_package(path)
    tracemalloc.start()
    with pytest.raises(ModelError, match=r"a\.th can't be used: There is no graph for this"):
        convert_bag([loaded], None, tmp_path / "out", name="a", version="1", licence="MIT")
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


# Reads packages under a memory limit little above the current use, and records Python's audit events.
SANDBOX = """
import json, resource, sys, time
from pathlib import Path
from unbraid.errors import ModelError
from unbraid.models.readers.packages import read_package
good, folder, megabytes = sys.argv[1:]
read_package(Path(good))  # triggers late imports
paths = sorted(Path(folder).iterdir())
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (int(megabytes) << 20),) * 2)
events = []
sys.addaudithook(lambda event, arguments: events.append([event, repr(arguments)]))
seconds = {}
for path in paths:
    started = time.process_time()
    try:
        read_package(path)
    except ModelError:
        seconds[path.stem] = time.process_time() - started
print(json.dumps([seconds, events]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux")
def test_no_attack_runs_code_or_exhausts_memory_or_time(attacks: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.th"
    good.write_bytes(archive(GOOD, STATE))
    process = subprocess.run(
        [sys.executable, "-c", SANDBOX, good, attacks, "150"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.returncode == 0, process.stderr
    seconds, events = json.loads(process.stdout)
    assert len(seconds) == len(ATTACKS)
    assert max(seconds.values()) < 10
    # The only event is opening the packages.
    opened = {arguments.split(",")[0] for event, arguments in events if event == "open"}
    assert {event for event, _ in events} == {"open"}
    assert all(str(attacks) in path or path.strip("(").isdigit() for path in opened)
    assert [path.name for path in tmp_path.iterdir()] == ["good.th"]
