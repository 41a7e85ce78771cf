"""Training of a toy decoder from arrays: it learns what is planted, resumes to the byte, and never sees held-out rows."""

import subprocess
import sys
import time
from itertools import count, islice

import killed_training
import numpy as np
import pytest
import torch
import trained
from diffusers import DDIMScheduler, UNet2DConditionModel
from full_disk import full_disk

from clipspace.errors import CheckpointError, InputError, PrecisionError
from clipspace.training import loop, loss, noise, optimiser
from clipspace.training.batches import batches, held_out
from clipspace.training.checkpoint import read_checkpoint, save_checkpoint
from clipspace.training.loop import Bound
from clipspace.training.network import decoder_at, drawn_network
from clipspace.training.presets import PRESETS, network_config
from clipspace.training.showing import drawn
from clipspace.training.task import train
from clipspace.training.vectors import Standard, folded


class Clock:
    """A second for every time that it is asked."""

    def __init__(self, each=1.0):
        self.now, self.each = 0.0, each

    def __call__(self):
        self.now += self.each
        return self.now


def _bytes(folder):
    return (folder / "decoder/unet/diffusion_pytorch_model.safetensors").read_bytes()


@pytest.fixture(autouse=True)
def few_looks(monkeypatch):
    monkeypatch.setattr(loop, "LOOKS", 2)


def test_decodes_of_what_is_learned_by_heart_are_nearest_to_their_own_image(tmp_path, monkeypatch):
    monkeypatch.setattr(optimiser, "WARMUP", 20)
    images, vectors = trained.planted(6)
    task = trained.task(tmp_path, images, vectors)
    train(task, Bound(steps=60))
    decoder = decoder_at(task.output, 2, trained.STAMP, task.device)
    drawings = np.stack([np.asarray(x, float) for x in drawn(decoder, vectors, seed=0, num_inference_steps=6)])
    apart = np.square(drawings[:, None] - images[None]).mean(axis=(2, 3, 4))
    assert apart.argmin(axis=1).tolist() == list(range(6))


def _killed(task, bound, at, monkeypatch, clock):
    """Train until the loss is asked for the ``at``-th time, and go on afterwards."""
    calls, original = count(1), loss.denoising_loss

    def dies(*arguments, **more):
        if next(calls) == at:
            raise KeyboardInterrupt
        return original(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr("clipspace.training.task.denoising_loss", dies)
        with pytest.raises(KeyboardInterrupt):
            train(task, bound, clock=clock)


def test_a_run_killed_twice_anywhere_ends_in_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 7.0)
    images, vectors = trained.planted(30)
    train(trained.task(tmp_path / "whole", images, vectors), Bound(steps=12), clock=Clock())
    rng = np.random.default_rng(1)
    for trial in range(2):
        task = trained.task(tmp_path / str(trial), images, vectors)
        for _ in range(2):
            _killed(task, Bound(steps=12), int(rng.integers(3, 6)), monkeypatch, Clock())
        report = train(task, Bound(steps=12), clock=Clock())
        assert (report.step, report.images) == (12, 96)
        assert _bytes(tmp_path / str(trial)) == _bytes(tmp_path / "whole")


def test_a_run_bounded_by_time_is_the_run_of_as_many_steps_also_when_killed_as_its_rate_falls(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 1e9)
    images, vectors = trained.planted(30)
    timed = trained.task(tmp_path / "timed", images, vectors)
    bound = Bound(minutes=1.2, decay=0.3)
    _killed(timed, bound, 13, monkeypatch, Clock(1.5))
    saved = read_checkpoint(timed.checkpoint, {})
    assert saved["step"] == saved["plan"][1] == 10
    report = train(timed, bound, clock=Clock(900.0))
    assert report.step == saved["plan"][0] == 14
    train(trained.task(tmp_path / "counted", images, vectors), Bound(steps=14, decay=0.3))
    assert _bytes(tmp_path / "timed") == _bytes(tmp_path / "counted")


def test_a_longer_run_goes_on_until_the_rate_falls_and_not_after(tmp_path):
    images, vectors = trained.planted(20)
    task = trained.task(tmp_path, images, vectors)
    train(task, Bound(steps=4))
    with pytest.raises(InputError, match=r"falls since step 3 towards 4 steps, got steps=9; give 4"):
        train(task, Bound(steps=9))
    assert train(task, Bound(steps=4)).step == 4


def test_rows_of_a_step_do_not_depend_on_where_it_was_resumed():
    whole = [rows.tolist() for _, rows in islice(batches(20, 4, 0, seed=3), 12)]
    assert [rows.tolist() for _, rows in islice(batches(20, 4, 7, seed=3), 5)] == whole[7:]
    assert sorted(row for rows in whole[:5] for row in rows) == list(range(20))
    assert whole[:5] != whole[5:10]


def test_held_out_rows_are_never_trained_on(tmp_path, monkeypatch):
    """Images of held-out rows are white, and no other is: a step that saw one would have seen white."""
    n = 80
    monkeypatch.setattr("clipspace.training.batches.FEWEST", 20)
    rows, held = held_out(n, seed=5)
    assert (len(held), sorted([*rows, *held])) == (20, list(range(n)))
    images, vectors = trained.planted(n)
    images[rows], images[held] = np.minimum(images[rows], 200), 255
    brightest, original = [], loss.denoising_loss

    def watching(unet, scheduler, x0, *more, **options):
        brightest.append(float(x0.max()))
        return original(unet, scheduler, x0, *more, **options)

    monkeypatch.setattr("clipspace.training.task.denoising_loss", watching)
    train(trained.task(tmp_path, images, vectors, rows=rows), Bound(steps=16))
    assert len(brightest) == 16
    assert max(brightest) < 0.6


def test_the_rate_rises_stays_and_falls():
    plan = optimiser.planned(1000, 0.4)
    rates = [optimiser.rate(step, plan) for step in range(1000)]
    assert np.allclose(rates[:200], np.arange(1, 201) / 200)
    assert set(rates[200:601]) == {1.0}
    assert np.allclose(rates[600:996], np.linspace(1, 0, 401)[:396])
    assert [optimiser.rate(step, None) for step in (0, 5000)] == [1 / 200, 1.0]


def test_a_loss_that_is_not_finite_changes_nothing():
    layer = torch.nn.Linear(2, 1)
    before = layer.weight.clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    with pytest.raises(PrecisionError, match="expected a finite loss, got nan"):
        optimiser.descend(layer(torch.full((1, 2), torch.nan)).sum(), layer, optimizer, [1.0], 1.0)
    assert torch.equal(layer.weight, before)


def test_a_corrupt_checkpoint_is_named(tmp_path):
    path, parts = tmp_path / "x.ckpt", {"network": torch.nn.Linear(10, 10)}
    save_checkpoint(path, 3, parts, seconds=1.5)
    assert read_checkpoint(path, parts) == {"step": 3, "seconds": 1.5}
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=r"x\.ckpt.*delete it"):
        read_checkpoint(path, parts)
    assert read_checkpoint(tmp_path / "none.ckpt", parts) == {"step": 0}


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    path, parts = tmp_path / "x.ckpt", {"network": torch.nn.Linear(30, 30)}
    save_checkpoint(path, 1, parts)
    with full_disk(), pytest.raises(InputError, match=r"could not write the checkpoint .*x\.ckpt.* make room"):
        save_checkpoint(path, 2, parts)
    assert read_checkpoint(path, parts)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_folded_network_takes_plain_conditions_as_the_trained_one_took_standard_ones():
    config = network_config(trained.TOY, 6)
    network = drawn_network(config, seed=1).eval()
    other = drawn_network(config, seed=1).eval()
    standard = Standard(np.arange(6, dtype=np.float32), 0.25)
    folded(other, standard)
    cond = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    x, t = torch.zeros(3, 12, 4, 4), torch.tensor([3, 500, 900])
    with torch.no_grad():
        a = network(x, t, None, class_labels=standard(cond)).sample
        b = other(x, t, None, class_labels=cond).sample
        c = network(x, t, None, class_labels=cond).sample
    assert torch.allclose(a, b, atol=1e-5)
    assert not torch.allclose(a, c, atol=1e-2)


def test_timesteps_fall_into_the_stretches_as_often_as_they_should():
    t = noise.draw_timesteps(20_000, noise.DRAWS, torch.Generator().manual_seed(0)).numpy()
    for low, high, share in noise.DRAWS.stretches:
        assert abs(np.mean((t >= low) & (t < high)) - share) < 0.01


def test_conditions_are_dropped_as_often_as_guidance_asks(monkeypatch):
    """A network that answers with its condition: the null is told in a tenth of the rows."""
    seen = []

    def network(x_t, t, encoder_hidden_states, class_labels):
        seen.append(class_labels)
        return type("Answer", (), {"sample": x_t})

    told = torch.ones(5000, 3)
    x0, scheduler = torch.zeros(5000, 3, 1, 1), DDIMScheduler(**noise.SCHEDULER)
    loss.denoising_loss(network, scheduler, x0, told, torch.full((1, 3), -7.0), torch.Generator().manual_seed(0))
    dropped = (seen[0] == -7).all(dim=1)
    assert abs(dropped.float().mean() - loss.NULL_RATE) < 0.015
    assert (seen[0][~dropped] == 1).all()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build_on_squares_that_their_levels_halve(name):
    preset = PRESETS[name]
    assert preset.side % 2 ** (len(preset.channels) - 1) == 0
    with torch.device("meta"):
        network, size = UNet2DConditionModel(**network_config(preset, 512)), preset.side
        out = network(
            torch.zeros(1, 3 * preset.unshuffle**2, size, size), 3, None, class_labels=torch.zeros(1, 512)
        ).sample
    assert out.shape == (1, 3 * preset.unshuffle**2, size, size)


@pytest.mark.slow
def test_a_run_killed_at_ten_random_moments_ends_in_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 5.0)
    images, vectors = trained.planted(30)
    train(trained.task(tmp_path / "whole", images, vectors), Bound(steps=60), clock=Clock())
    task, rng = trained.task(tmp_path / "killed", images, vectors), np.random.default_rng(2)
    for _ in range(10):
        _killed(task, Bound(steps=60), int(rng.integers(2, 7)), monkeypatch, Clock())
    assert 10 < read_checkpoint(task.checkpoint, {})["step"] < 60
    train(task, Bound(steps=60), clock=Clock())
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "whole")


@pytest.mark.slow
def test_a_process_that_is_killed_by_the_system_ends_in_the_same_bytes(tmp_path):
    """SIGKILL at random steps, while the next is computed or the checkpoint is written."""
    script, rng = [sys.executable, killed_training.__file__], np.random.default_rng(3)
    for _ in range(2):
        with subprocess.Popen([*script, tmp_path / "killed"], stdout=subprocess.PIPE, text=True) as process:
            for _ in range(int(rng.integers(3, 8))):
                process.stdout.readline()
            time.sleep(rng.random() / 50)
            process.kill()
    assert not (tmp_path / "killed/decoder/model_index.json").exists()
    for name in ("killed", "whole"):
        subprocess.run([*script, tmp_path / name], check=True, stdout=subprocess.DEVNULL)
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "whole")
