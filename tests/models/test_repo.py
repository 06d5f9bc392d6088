"""A folder of published weights is read as `demucs --repo` reads it, verified, and converted once."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.audio.sounds import as_an_ordinary_user
from tests.models.published import (
    HDEMUCS_MMI,
    SOURCES,
    TINY,
    draw,
    published,
    tiny_graphs,
    weights_in,
    with_checksum,
    write_safetensors,
)

from unbraid.errors import ModelError
from unbraid.models import repo as repo_module
from unbraid.models.cache import cache_folder
from unbraid.models.repo import find_in_repo, read_bag, scan_repo

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny_graphs(monkeypatch, tmp_path / "graphs")
    monkeypatch.setenv("UNBRAID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Networks a (with its checksum), b and c, and a bag of a and b."""
    folder = tmp_path / "repo"
    folder.mkdir()
    with_checksum(published(folder / "a.th", draw(TINY, 1)))
    published(folder / "b.th", draw(TINY, 2))
    write_safetensors(folder / "c.safetensors", draw(TINY, 3))
    bag = {"models": ["a", "b"], "weights": [[1, 0, 0.5, 1], [0, 1, 0.5, 0]]}
    (folder / "ab.yaml").write_text(json.dumps(bag))
    (folder / "README.md").touch()
    return folder


def seed_of(folder: Path) -> int:
    gains = weights_in(folder)["gains"]
    return next(seed for seed in range(10) if np.array_equal(draw(TINY, seed)["gains"], gains))


@pytest.mark.parametrize(("name", "seed"), [("a", 1), ("b", 2), ("c", 3)])
def test_finds_a_network_by_its_signature(repo: Path, name: str, seed: int) -> None:
    model = find_in_repo(name, repo)
    assert (model.name, model.sources, model.members) == (name, tuple(SOURCES), ())
    assert seed_of(model.folder) == seed


def test_finds_a_bag_by_its_name(repo: Path) -> None:
    model = find_in_repo("ab", repo)
    assert model.name == "ab"
    assert [member.model.name for member in model.members] == ["a", "b"]
    assert [seed_of(member.model.folder) for member in model.members] == [1, 2]
    assert [list(member.weights.values()) for member in model.members] == [[1, 0, 0.5, 1], [0, 1, 0.5, 0]]


def test_bag_without_weights_has_equal_weights(repo: Path) -> None:
    (repo / "ab.yaml").write_text("models: [a, b]\n")
    assert {w for member in find_in_repo("ab", repo).members for w in member.weights.values()} == {1}


def test_bag_sets_the_segment(repo: Path) -> None:
    published(repo / "old.th", draw(TINY), HDEMUCS_MMI, "HDemucs")
    (repo / "mmi.yaml").write_text("models: ['old']\nsegment: 10\n")
    assert find_in_repo("mmi", repo).segment == 441_000
    assert find_in_repo("old", repo).segment == 44 * 44_100


def test_network_has_precedence_over_a_bag(repo: Path) -> None:
    (repo / "a.yaml").write_text("models: [b]\n")
    assert seed_of(find_in_repo("a", repo).folder) == 1


def test_th_file_has_precedence_over_safetensors(repo: Path) -> None:
    published(repo / "c.th", draw(TINY, 4))
    assert seed_of(find_in_repo("c", repo).folder) == 4


def test_lists_networks_and_bags(repo: Path) -> None:
    listed = scan_repo(repo)
    assert list(listed.networks) == ["a", "b", "c"]
    assert listed.bags == {"ab": repo / "ab.yaml"}


def test_lists_the_same_models_as_demucs(repo: Path) -> None:
    from demucs.repo import AnyModelRepo, BagOnlyRepo, LocalRepo

    published(repo / "my-own-net.th", draw(TINY))
    (repo / "x.y.yaml").write_text("models: [a]\n")
    (repo / "c.safetensors").unlink()  # demucs reads this format from a model hub only
    theirs = AnyModelRepo(LocalRepo(repo), BagOnlyRepo(repo, LocalRepo(repo))).list_model()
    ours = scan_repo(repo)
    assert {**{name: files[0] for name, files in ours.networks.items()}, **ours.bags} == theirs


def test_model_is_read_and_converted_once(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_in_repo("ab", repo)
    monkeypatch.setattr(repo_module, "read_package", None)
    monkeypatch.setattr(repo_module, "convert_bag", None)
    assert find_in_repo("ab", repo) == first


def test_converted_model_needs_no_writable_cache(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_in_repo("a", repo)  # triggers late imports, which the other user may be unable to read
    with as_an_ordinary_user() as folder:
        tiny_graphs(monkeypatch, folder / "graphs")
        monkeypatch.setenv("UNBRAID_CACHE", str(folder / "cache"))
        published(folder / "a.th", draw(TINY))
        first = find_in_repo("a", folder)
        for lock in cache_folder().rglob("*.lock"):
            lock.unlink()
        for place in (cache_folder(), cache_folder() / "repo"):
            place.chmod(0o555)
        try:
            assert find_in_repo("a", folder) == first
            published(folder / "a.th", draw(TINY, 1))
            with pytest.raises(
                ModelError, match=r"can't be written: you have no permission\. Set UNBRAID_CACHE"
            ):
                find_in_repo("a", folder)
        finally:
            for place in (cache_folder(), cache_folder() / "repo"):
                place.chmod(0o755)


def test_concurrent_requests_convert_a_model_once(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversions: list[str] = []
    real = repo_module.convert_bag

    def recording(*arguments: Any, **named: Any) -> None:
        conversions.append(named["name"])
        real(*arguments, **named)

    monkeypatch.setattr(repo_module, "convert_bag", recording)
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: find_in_repo("ab", repo), range(8)))
    assert conversions == ["ab"]
    assert all(model == models[0] for model in models)


def test_altered_file_is_converted_again(repo: Path) -> None:
    first = find_in_repo("b", repo)
    stamps = (repo / "b.th").stat()
    published(repo / "b.th", draw(TINY, 5))
    os.utime(repo / "b.th", ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    assert (repo / "b.th").stat().st_size == stamps.st_size
    again = find_in_repo("b", repo)
    assert again.folder != first.folder
    assert seed_of(again.folder) == 5


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.unlink(), lambda path: os.truncate(path, 1), lambda path: path.write_bytes(b"x")],
)
@pytest.mark.parametrize("file", ["weights.bin", "graph.onnx", "model.json"])
def test_damaged_model_in_the_cache_is_converted_again(
    repo: Path, file: str, damage: Callable[[Path], object]
) -> None:
    damage(find_in_repo("b", repo).folder / file)
    assert seed_of(find_in_repo("b", repo).folder) == 2


def test_changed_graph_is_used(repo: Path, tmp_path: Path) -> None:
    first = find_in_repo("b", repo)
    with (tmp_path / "graphs" / "HTDemucs.onnx").open("ab") as graph:
        graph.write(b"\x12\x00")
    assert find_in_repo("b", repo).folder != first.folder


def test_failed_conversion_leaves_no_file(repo: Path) -> None:
    state = draw(TINY, 2)
    state["gains"][0, 0] = np.nan
    published(repo / "b.th", state)
    with pytest.raises(ModelError, match="infinite or NaN"):
        find_in_repo("ab", repo)
    assert [path for path in cache_folder().rglob("*") if not path.name.startswith(".")] == [
        cache_folder() / "repo"
    ]


def test_rejects_wrong_checksum(repo: Path) -> None:
    path = published(repo / "d-01234567.th", draw(TINY))
    with pytest.raises(ModelError, match=rf"{path.name} is damaged or was altered.*01234567"):
        find_in_repo("d", repo)


def test_rejects_two_files_for_one_network(repo: Path) -> None:
    published(repo / "a.th", draw(TINY, 5))
    with pytest.raises(ModelError, match=r"called a: a-[0-9a-f]{8}\.th, a\.th\. Remove all but one"):
        find_in_repo("ab", repo)
    assert find_in_repo("c", repo).name == "c"


def test_unknown_name_lists_the_known_ones(repo: Path) -> None:
    for name in ("x", "../repo/a", "README.md", "", "ab.yaml"):
        with pytest.raises(ModelError, match=r"There is no model .*\. Choose ab, a, b, c"):
            find_in_repo(name, repo)


def test_name_of_an_older_demucs_model_says_what_to_use(repo: Path) -> None:
    with pytest.raises(ModelError, match=r"mdx is .* Use htdemucs"):
        find_in_repo("mdx", repo)
    published(repo / "mdx.th", draw(TINY, 5))  # a user's own network may have the name
    assert find_in_repo("mdx", repo).name == "mdx"


def test_missing_network_says_where_to_put_it(repo: Path) -> None:
    (repo / "b.th").unlink()
    with pytest.raises(ModelError, match=rf"ab\.yaml needs the network 'b'\. Put .* into {repo}"):
        find_in_repo("ab", repo)


def test_rejects_a_path_that_is_not_a_folder_of_models(repo: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"README\.md is a file"):
        find_in_repo("a", repo / "README.md")
    with pytest.raises(ModelError, match="can't be read as a folder"):
        find_in_repo("a", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="The folder has no models"):
        find_in_repo("a", tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "isn't a list of names"),
        ("- a\n", "isn't a list of names"),
        ("models: [a", "not YAML"),
        ("models: !!python/object/apply:os.system ['touch harmed']\n", "not YAML"),
        ("models: *a\n", "has references"),
        ("weights: &a [1]\nmodels: [*a]\n", "has references"),
        ("\x00", "not YAML"),
        ("models: " + "[" * 4_000, "too long"),
        ("models: " + "- " * 1_900, "not YAML"),
        ("models: [" + "a, " * 30_000 + "]", "too long"),
        ("models: a\n", "models must list"),
        ("models: []\n", "models must list"),
        ("model: [a]\n", "models must list"),
        ("models: [" + "a, " * 40 + "]", "models must list"),
        ("models: [12345678]\n", "signature 12345678 must be in quotes"),
        ("models: [a]\nweights: 1\n", "weights must have"),
        ("models: [a]\nweights: [1, 1, 1, 1]\n", "weights must have"),
        ("models: [a]\nweights: [[1, 1, 1, .nan]]\n", "weights must have"),
        ("models: [a]\nweights: [[1, 1, 1, '1']]\n", "weights must have"),
        ("models: [a]\nweights: [[1, 1, 1, true]]\n", "weights must have"),
        ("models: [a]\nsegment: long\n", "segment must be"),
        ("models: [a]\nsegment: 0\n", "segment must be"),
        ("models: [a]\nsegment: .inf\n", "segment must be"),
    ],
)
def test_rejects_invalid_bag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bag.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=rf"bag\.yaml is not a bag of models: .*{message}") as caught:
        read_bag(path)
    assert "\n" not in caught.value.message
    assert not (tmp_path / "harmed").exists()


def test_rejects_weights_for_other_stems(repo: Path) -> None:
    (repo / "ab.yaml").write_text("models: [a, b]\nweights: [[1, 1], [1, 1]]\n")
    with pytest.raises(ModelError, match="2 networks for 4 stems needs 2 lists of 4 weights"):
        find_in_repo("ab", repo)


@pytest.mark.parametrize(
    ("first", "next_one"),
    [
        ("a0: &a0 [1, 1, 1, 1]", "a{i}: &a{i} [*a{j}, *a{j}]"),
        # Merge keys double the entries at each level.
        ("a0: &a0\n  b: 1", "a{i}: &a{i}\n  <<:\n  - *a{j}\n  - *a{j}"),
    ],
    ids=["lists", "merge keys"],
)
def test_rejects_exponential_references_in_little_memory(tmp_path: Path, first: str, next_one: str) -> None:
    path = tmp_path / "bag.yaml"
    levels = [next_one.format(i=i, j=i - 1) for i in range(1, 18)]
    path.write_text("\n".join([first, *levels, "models: [a]"]))
    tracemalloc.start()
    with pytest.raises(ModelError, match="has references"):
        read_bag(path)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_reads_published_bags(tmp_path: Path) -> None:
    path = tmp_path / "bag.yaml"
    path.write_text(
        "models: ['f7e0c4bc', 'd12395a8']\nweights: [\n  [1., 0., 0., 0.],\n  [0., 1., 0., 0.],\n]\n"
    )
    bag: Any = read_bag(path)
    assert (bag.signatures, bag.segment_s) == (("f7e0c4bc", "d12395a8"), None)
    assert bag.weights == [[1, 0, 0, 0], [0, 1, 0, 0]]
    path.write_text("models: ['75fc33f5']\nsegment: 44\n")
    assert read_bag(path).segment_s == 44
