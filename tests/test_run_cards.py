"""Final trainings on several graphics cards: who gets which, what is refused, and a run with two parts of a CPU in
their place, because there are no cards here."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from plugin_files import GOOD, write_method
from test_run_grid import PATIENT, run
from test_run_grid import request_for as grid_request
from test_run_plan import pretend, refuse_each_other, request_for

from harness.core.errors import InputError
from harness.core.home import CHECKOUT as ROOT
from harness.run.backends import machine, make_backend
from harness.run.backends.base import Call, Capacity, Item, Outcome, Tell
from harness.run.backends.joining import cards_of
from harness.run.backends.local import Local
from harness.run.plan import make_plan
from harness.run.profiles import HOUR, PROFILES, SMOKE, get_profile
from harness.run.request import make_request
from harness.run.scheduler import Batch

FOUR = Capacity(workers=4, cores=16, cards=(4,))
SPREAD = dataclasses.replace(SMOKE, cards=2)


def says_its_cards(directory: Path, tell: Tell) -> Outcome:
    (directory / "cards").write_text(os.environ.get(machine.VISIBLE, "all"))
    while not (directory.parent / "go").exists():
        tell(0.5, "waiting")
    return Outcome("ok")


def call_of(directory: Path, cards: int, tensorflow: bool = True) -> Call:
    directory.mkdir(parents=True)
    item = Item(directory, directory)
    return Call("search", says_its_cards, (item,), ("cards",), 300, 8.0, 1, tensorflow, cards=cards)


def cards_seen(root: Path, backend: Local, calls: dict[str, int], tensorflow: bool = True) -> dict[str, str]:
    """What calls see that go on at the same time, by their names."""
    handles = [backend.submit(call_of(root / name, cards, tensorflow)) for name, cards in calls.items()]
    while not all((root / name / "cards").exists() for name in calls):
        backend.wait(0.2)
    (root / "go").write_text("")
    while handles:
        for handle in backend.wait(0.2):
            assert handle.outcomes == (Outcome("ok"),)
            handles.remove(handle)
    (root / "go").unlink()
    return {name: (root / name / "cards").read_text() for name in calls}


def test_a_call_gets_cards_that_no_other_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "installed_cards", lambda: 6)
    monkeypatch.setenv(machine.VISIBLE, "5,4,3,2")
    backend = Local()
    try:
        assert backend.capacity.cards == (4,)
        assert backend.capacity.workers == 4
        seen = cards_seen(tmp_path / "two", backend, {"a": 2, "b": 2})
        assert seen == {"a": "5,4", "b": "3,2"}
        seen = cards_seen(tmp_path / "shared", backend, {"a": 3, "b": 1, "c": 2})
        assert seen == {"a": "5,4,3", "b": "2", "c": "5,4"}, "more than there are are shared, those of the fewest first"
        assert cards_seen(tmp_path / "none", backend, {"a": 2}, tensorflow=False) == {"a": "5,4,3,2"}, "as it was"
    finally:
        backend.close()


def test_without_cards_there_are_none_to_hand_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "installed_cards", lambda: 0)
    backend = Local()
    assert backend.capacity.cards == backend._cards_for(call_of(tmp_path / "a", 1)) == ()


def test_as_many_runs_as_machines_have_cards_for(tmp_path: Path) -> None:
    request = request_for(tmp_path, profile=SPREAD)
    assert make_plan(request, FOUR).workers == 2
    assert make_plan(request, Capacity(workers=9, cores=16, cards=(3, 1, 5))).workers == 1 + 0 + 2
    assert make_plan(request_for(tmp_path, profile=SPREAD, workers=1), FOUR).workers == 1
    assert make_plan(request_for(tmp_path), FOUR).workers == 4
    timed = dataclasses.replace(HOUR, datasets=("squares",), cards=2)
    plan = make_plan(request_for(tmp_path, profile=timed), FOUR)
    assert {job.threads for job in plan.jobs} == {8}, "the cores are shared by the runs that there are"
    for phase in ("search", "final"):
        assert Batch(phase, plan.jobs[:1]).call().cards == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("capacity", "told"),
    [
        (Capacity(), "there is none here"),
        (Capacity(cards=(1, 1)), "the most that one machine has here is 1"),
    ],
)
def test_cards_that_no_machine_has_are_refused(tmp_path: Path, capacity: Capacity, told: str) -> None:
    with pytest.raises(InputError, match=f"--cards 2 needs a machine with as many graphics cards; {told}"):
        make_plan(request_for(tmp_path, profile=SPREAD), capacity)
    assert not list((tmp_path / "out").rglob("inputs.json"))


def test_more_runs_than_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 workers need 3 times 2 graphics cards; 2 can have theirs"):
        make_plan(request_for(tmp_path, profile=SPREAD, workers=3), FOUR)


def test_keras_models_have_one_card_and_do_not_compete_at_equal_seconds(tmp_path: Path) -> None:
    request = request_for(tmp_path, profile=SPREAD)
    keras = write_method(tmp_path / "plugins", "proposes", GOOD, space="keras")
    request = dataclasses.replace(request, plugins=(*request.plugins, keras), methods=("good", "proposes"))
    make_plan(request, FOUR)
    timed = dataclasses.replace(SPREAD, final=dataclasses.replace(SPREAD.final, seconds=9.0))
    with pytest.raises(InputError, match="Keras models are trained on one graphics card each"):
        make_plan(dataclasses.replace(request, profile=timed), FOUR)


def test_a_directory_holds_one_number_of_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_run_plan.make_plan", lambda request: make_plan(request, FOUR))
    usual, other = request_for(tmp_path, methods=("good",), seeds=(0,)), {"profile": SPREAD}
    refuse_each_other(
        usual, dataclasses.replace(usual, **other), "with --cards 1, here .* 2", "with --cards 2, here .* 1"
    )


def test_inputs_of_one_card_are_as_they_were(tmp_path: Path) -> None:
    [job] = make_plan(request_for(tmp_path, methods=("good",), seeds=(0,))).jobs
    assert not [name for name in job.inputs if "card" in name]
    pretend(job)
    assert len(make_plan(request_for(tmp_path, methods=("good",), seeds=(0,)), FOUR).records) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"profile": "published", "cards": 5}, "batches of 96 images; name a divisor of 96"),
        ({"profile": "published", "cards": 0}, "--cards 0"),
        ({"profile": "published", "cards": -2}, "--cards -2"),
        ({"profile": "table", "datasets": "tables/fashion_mnist", "cards": 2}, "has no final training; leave --cards"),
    ],
)
def test_nonsense_is_one_sentence(words: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_request(**{"datasets": "toy", **words})  # type: ignore[arg-type]


def test_every_profile_that_trains_can_have_two_and_four() -> None:
    for name, profile in PROFILES.items():
        if not profile.tabular:
            for cards in (2, 4):
                assert make_request(datasets="toy", profile=name, cards=cards).profile.cards == cards
    assert get_profile("published").cards == 1


def test_the_cards_of_a_cluster_are_those_that_ray_hands_out() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 8.0}},
        {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
    ]
    assert cards_of(nodes) == (4, 1)


def keeps_its_cards(directory: Path, tell: Tell) -> Outcome:
    began = time.time()
    time.sleep(3.0)
    (directory / "cards").write_text(json.dumps([began, time.time(), os.environ[machine.VISIBLE]]))
    return Outcome("ok")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: the extra 'ray'")
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_slot_of_a_cluster_has_the_cards_of_its_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray hands out cards that it was told of, whether they are there or not."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(__file__).parent), str(ROOT))))
    monkeypatch.delenv(machine.VISIBLE, raising=False)
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    for cards in (5, 1):
        nodes.add_node(num_cpus=4, num_gpus=cards, object_store_memory=100 * 2**20)
    backend = make_backend("ray", tmp_path / "out", nodes.address)
    try:
        assert sorted(backend.capacity.cards) == [1, 5]
        calls = [call_of(tmp_path / "out" / name, 2, tensorflow=False) for name in "abc"]
        waiting = [dataclasses.replace(call, function=keeps_its_cards) for call in calls]
        running = [backend.submit(waiting.pop()) for _ in range(2)]
        while running:
            for handle in backend.wait(1.0):
                assert handle.outcomes == (Outcome("ok"),)
                running.remove(handle)
                running += [backend.submit(waiting.pop())] if waiting else []
    finally:
        backend.close()
        nodes.shutdown()
    found = [json.loads((tmp_path / "out" / name / "cards").read_text()) for name in "abc"]
    for (began, ended, cards), (other_began, other_ended, others) in itertools.combinations(found, 2):
        assert len(cards.split(",")) == len(others.split(",")) == 2
        assert ended <= other_began or other_ended <= began or not set(cards.split(",")) & set(others.split(","))
    assert len({cards for *_, cards in found}) == 2, "two at a time, and the third has those of one of them"


@pytest.mark.slow
def test_a_run_with_two_cards_predicts_what_one_with_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine says that it has cards, TensorFlow has none, and takes parts of the CPU in their place."""
    monkeypatch.setattr(machine, "installed_cards", lambda: 2)
    methods = {"good": write_method(tmp_path, "good", GOOD)}
    found = {}
    for cards in (1, 2):
        slow = dataclasses.replace(PATIENT.final, learning_rate=0.001, drop_path=0.2)  # see tests/test_mirrored.py
        profile = dataclasses.replace(PATIENT, cards=cards, final=slow)
        out = tmp_path / f"out{cards}"
        record = run(grid_request(tmp_path, methods, profile=profile, out=out))["good"]
        assert record.status == "ok", record.reason
        [path] = out.rglob("predictions.npz")
        found[cards] = record, np.load(path)["probabilities"]
    (one, alone), (two, spread) = found[1], found[2]
    np.testing.assert_allclose(spread, alone, atol=1e-5)
    assert (two.proposal, two.parameters, two.macs) == (one.proposal, one.parameters, one.macs)
    assert (two.provenance["cards"], two.final["cards"]) == (2, 2)
    assert "cards" not in one.provenance
    assert "cards" not in one.final
    assert two.learning["loss"] == pytest.approx(one.learning["loss"], rel=1e-5)
