"""The thread count follows the machine: measured at the start, when it is busy, when it is free."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import llama_cpp
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from localtune.build.job import Build
from localtune.build.pipeline import stages
from localtune.build.steps import in_threads
from localtune.config.stages import BaseConfig, BuildConfig, TrainConfig
from localtune.export.convert import convert
from localtune.llama.engine import EngineModel
from localtune.machine.cores import chosen_threads, cores, llama_threads, usable_cores, use_threads
from localtune.machine.threads import ThreadChoice, TorchThreads, counts_up_to
from localtune.progress import Silent
from localtune.training.train import train
from localtune.workspace import Workspace, read_jsonl, write_jsonl

Speed = Callable[[int, int], float]  # (threads, step) -> tokens a second
TOKENS = 1000


def idle(threads: int, step: int) -> float:
    """Return the speed on an idle machine of 2 cores: one thread is a third slower."""
    return 4000.0 * {1: 0.66, 2: 1.0}[threads]


def busy(threads: int, step: int) -> float:
    """Return the speed beside a busy program: two threads wait for each other most of the time."""
    return 4000.0 * {1: 0.6, 2: 0.03}[threads]


def run(
    speed: Speed, steps: int, most: int = 2, tokens: Callable[[int], int] = lambda step: TOKENS
) -> tuple[list[int], float]:
    """Return the threads of each step and the seconds of all, on an invented machine."""
    choice, used, seconds = ThreadChoice(counts_up_to(most)), [], 0.0
    for step in range(steps):
        took = tokens(step) / speed(choice.threads, step)
        used.append(choice.threads)
        seconds += took
        choice.after(tokens(step), took)
    return used, seconds


def test_an_idle_machine_keeps_all_threads_at_the_price_of_one_step() -> None:
    used, _ = run(idle, 1000)
    assert used.count(1) == 1 and used[-1] == 2


def test_a_slow_first_step_does_not_cost_a_thread() -> None:
    used, _ = run(lambda threads, step: idle(threads, step) / (3 if step == 0 else 1), 100)
    assert used.count(1) == 1 and used[-1] == 2


def test_a_machine_that_is_busy_from_the_start_costs_one_slow_step() -> None:
    used, _ = run(busy, 20)
    assert used == [2] + [1] * 19


def test_a_busy_machine_slows_training_in_proportion() -> None:
    steps = 1000
    with_one = steps * TOKENS / busy(1, 0)
    used, seconds = run(busy, steps)
    assert used.count(2) >= 3, "more threads are tried again, as the machine may be free by now"
    assert seconds < 1.15 * with_one
    assert seconds < run(idle, steps)[1] / 0.4


def test_fewer_threads_are_used_soon_after_the_machine_becomes_busy() -> None:
    used, _ = run(lambda threads, step: (idle if step < 50 else busy)(threads, step), 100)
    assert used[10:50] == [2] * 40
    assert used[50:].count(2) == 2 and used[-1] == 1


def test_all_threads_are_used_again_after_the_machine_becomes_free() -> None:
    used, _ = run(lambda threads, step: (busy if step < 100 else idle)(threads, step), 500)
    assert used[99] == 1 and used[-1] == 2
    assert used[400:] == [2] * 100


def test_a_machine_that_is_busy_now_and_then_does_not_lose_the_time_to_trials() -> None:
    def now_and_then(threads: int, step: int) -> float:
        return (busy if step // 40 % 2 else idle)(threads, step)

    _, seconds = run(now_and_then, 2000)
    assert seconds < run(idle, 2000)[1] / 0.4


@pytest.mark.parametrize("seed", range(5))
def test_noise_changes_nothing(seed: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    factors = (0.8 + 0.4 * torch.rand(1000, generator=noise)).tolist()
    used, _ = run(lambda threads, step: idle(threads, step) * factors[step], 1000)
    assert used.count(1) < 50 and used[-1] == 2
    used, _ = run(lambda threads, step: busy(threads, step) * factors[step], 1000)
    assert used.count(2) < 20


def test_a_single_slow_step_changes_nothing() -> None:
    used, _ = run(lambda threads, step: idle(threads, step) / (9 if step == 30 else 1), 100)
    assert used[10:] == [2] * 90


def test_steps_of_different_sizes_are_compared_by_their_tokens() -> None:
    used, _ = run(idle, 200, tokens=lambda step: (2000, 150, 900)[step % 3])
    assert used.count(1) == 1 and used[-1] == 2


def test_a_step_without_tokens_says_nothing() -> None:
    choice = ThreadChoice([2, 1])
    assert [choice.after(0, 1.0) for _ in range(5)] == [2] * 5


@pytest.mark.parametrize(
    ("most", "counts"),
    [(1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (8, [8, 7, 4, 2, 1]), (12, [12, 11, 6, 3, 1])],
)
def test_the_counts_to_try(most: int, counts: list[int]) -> None:
    assert counts_up_to(most) == counts


def of_16(taken: int) -> Speed:
    """Return the speed on 16 cores of which some are taken by other programs."""

    def speed(threads: int, step: int) -> float:
        # A product ends with its last thread, which waits for a core, however small its part.
        return 3.0 if threads > 16 - taken else 100.0 * threads

    return speed


@pytest.mark.parametrize(("taken", "best"), [(0, 16), (1, 15), (6, 8), (13, 2)])
def test_many_cores_are_used_as_far_as_they_are_free(taken: int, best: int) -> None:
    used, _ = run(of_16(taken), 40, most=16)
    assert used[-1] == best


def test_one_thread_is_never_tried_on_many_free_cores() -> None:
    assert set(run(of_16(0), 500, most=16)[0]) == {16, 15, 8}


def test_a_chosen_count_is_kept_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALTUNE_THREADS", raising=False)
    before = torch.get_num_threads()
    with use_threads(3):
        with TorchThreads() as threads:
            for seconds in (1.0, 1.0, 1.0, 90.0, 90.0, 90.0):
                assert torch.get_num_threads() == 3
                threads._torch.set_num_threads(threads.choice.after(TOKENS, seconds))
        assert cores() == llama_threads(1000) == llama_threads(10**10) == 3
    assert torch.get_num_threads() == before and chosen_threads() == 0
    assert llama_threads(1000) == 1 and llama_threads(10**10) == cores()


def test_child_processes_see_the_chosen_count() -> None:
    code = "from localtune.machine.cores import cores; print(cores())"
    with use_threads(5):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert said.stdout.split() == [b"5"]


@pytest.mark.parametrize("value", ["", "many", "-1", "0"])
def test_an_environment_that_names_no_count_is_ignored(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALTUNE_THREADS", value)
    assert chosen_threads() == 0
    with use_threads(2):
        assert chosen_threads() == 2
    assert os.environ["LOCALTUNE_THREADS"] == value


def machine(root: Path, cgroup: str, **files: str) -> Path:
    """Write a stand-in for /proc/self/cgroup and for files below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


V1 = "9:name=systemd:/\n2:cpu,cpuacct:/docker/ab12\n0::/\n"


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("0::/\n", {"cpu.max": "150000 100000"}, 1),
        ("0::/\n", {"cpu.max": "20000 100000"}, 1),
        ("0::/a.slice/b\n", {"a.slice/b/cpu.max": "max 100000", "a.slice/cpu.max": "3000 1000"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "4000 1000", "a/cpu.max": "6000 1000"}, 4),
        ("0::/a\n", {"other/cpu.max": "1000 1000"}, 64),
        (V1, {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        (
            V1,
            {
                "cpu,cpuacct/docker/ab12/cpu.cfs_quota_us": "500000",
                "cpu,cpuacct/docker/ab12/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            5,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ("", {}, 64),
    ],
)
def test_a_cgroup_limits_the_cores(
    cgroup: str,
    files: dict[str, str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(64), raising=False)
    assert usable_cores(machine(tmp_path, cgroup, **files)) == expected


def test_a_system_without_cgroups_has_all_its_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(64), raising=False)
    assert usable_cores(tmp_path) == 64


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let PyTorch use two threads, on a machine of two cores or more."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(2), raising=False)
    monkeypatch.delenv("LOCALTUNE_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_of_steps(folder: Path, steps: int, threads: int) -> tuple[set[int], list[float]]:
    """Train the built-in base; return the thread counts it computed with, and the losses."""
    base, seen = BaseConfig("tiny").folder(), set[int]()
    assert base
    folder.mkdir()
    write_jsonl(folder / "lessons.jsonl", [{"text": f"Gate {n} is closed."} for n in range(40)])
    files = [folder / name for name in ("lessons.jsonl", "adapter", "metrics.jsonl", "checkpoints")]
    config = TrainConfig(steps=steps, batch_tokens=64, max_length=64, threads=threads)
    hook = register_module_forward_pre_hook(lambda *_: seen.add(torch.get_num_threads()))
    train(base, *files, config)
    hook.remove()
    return seen, [row["loss"] for row in read_jsonl(files[2])]


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_training_measures_each_thread_count_and_learns_the_same(tmp_path: Path) -> None:
    measured, losses = threads_of_steps(tmp_path / "measured", 3, 0)
    assert measured == {1, 2}
    fixed, same_losses = threads_of_steps(tmp_path / "fixed", 3, 2)
    assert fixed == {2}
    assert losses == pytest.approx(same_losses, rel=0.02)
    assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_a_training_of_few_steps_reports_its_loss(tmp_path: Path) -> None:
    _, losses = threads_of_steps(tmp_path / "short", 2, 1)
    assert len(losses) == 1 and losses[0] > 0


@pytest.mark.slow
def test_llama_cpp_measures_the_counts_of_a_large_model_and_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(2), raising=False)
    monkeypatch.delenv("LOCALTUNE_THREADS", raising=False)
    monkeypatch.setattr("localtune.machine.cores.SMALL_MODEL", 0)
    base = BaseConfig("tiny").folder()
    assert base
    convert(base, tmp_path / "tiny.gguf", name="tiny")
    answers, used = [], []
    for threads in (0, 1):
        model = EngineModel(tmp_path / "tiny.gguf", 128, threads, None)
        prompt = model.token_ids("The keys of the boatyard are kept by")
        used.append(set[int]())
        answers.append([])
        for token in model._answer_ids(prompt, 24):
            answers[-1].append(token)
            used[-1].add(llama_cpp.llama_n_threads(model._context))
    assert used == [{1, 2}, {1}]
    assert len(answers[0]) > 4 and answers[0] == answers[1]


def test_every_stage_of_a_build_has_the_chosen_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCALTUNE_THREADS", raising=False)
    config, seen = BuildConfig(train=TrainConfig(threads=3)), list[int]()
    build = Build(tmp_path, config, Workspace(tmp_path, "office"))
    in_threads(lambda build, progress: seen.append(cores()), build, Silent())
    assert seen == [3] and chosen_threads() == 0
    for stage in stages(build):
        assert getattr(stage.run, "func", None) is in_threads, stage.name
