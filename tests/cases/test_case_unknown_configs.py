"""What a checkpoint's files say and clipspace does not know is refused by name; what can be meant works."""

import json
import shutil
import warnings
from pathlib import Path

import diffusers
import pytest
import tiny
import torch

from clipspace import load_space
from clipspace.errors import CheckpointError, ConvergenceWarning, InputError
from clipspace.models.scheduler_config import load_schedule
from clipspace.space import untrained_space


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unknown")
    tiny.clip(folder / "clip")
    tiny.kandinsky(folder / "kandinsky")
    tiny.kandinsky_prior(folder / "prior")
    tiny.image_variations(folder / "image_variations")
    return folder


def _changed(folder, config, **changes):
    """A JSON file with some of its entries changed; None takes one out."""
    path = folder / config
    written = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in written.items() if value is not None}))


def _load(home, tmp_path, name="kandinsky", config="scheduler/scheduler_config.json", part="decoder", **changes):
    shutil.copytree(home / name, tmp_path / name)
    _changed(tmp_path / name, config, **changes)
    return load_space(home / "clip", device="cpu", **{part: tmp_path / name})


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscrete", "EDMEuler", "CMStochasticIterative", "LCM"])
@pytest.mark.parametrize("part", ["decoder", "prior"])
def test_a_scheduler_of_another_kind_is_refused_by_name(home, tmp_path, name, part):
    scheduler = getattr(diffusers, f"{name}Scheduler")()
    shutil.copytree(home / ("kandinsky" if part == "decoder" else "prior"), tmp_path / "changed")
    scheduler.save_pretrained(tmp_path / "changed" / "scheduler")
    with pytest.raises(CheckpointError, match=rf"expected a scheduler out of.*DDIMScheduler.*got '{name}Scheduler'"):
        load_space(home / "clip", device="cpu", **{part: tmp_path / "changed"})


@pytest.mark.parametrize("prediction", ["flow_prediction", "velocity"])
@pytest.mark.parametrize(("name", "part"), [("kandinsky", "decoder"), ("prior", "prior")])
def test_a_prediction_of_another_kind_is_refused_by_name(home, tmp_path, prediction, name, part):
    with pytest.raises(CheckpointError, match=rf"'epsilon', 'v_prediction', 'sample'.*got '{prediction}'"):
        _load(home, tmp_path, name, part=part, prediction_type=prediction)


@pytest.mark.parametrize(
    ("name", "config", "changes", "message"),
    [
        ("kandinsky", "unet/config.json", {"_class_name": "UNet2DModel"}, "expected a UNet2DConditionModel"),
        ("kandinsky", "movq/config.json", {"_class_name": "AutoencoderKL"}, "expected a VQModel"),
        ("image_variations", "vae/config.json", {"_class_name": "AutoencoderTiny"}, "expected a AutoencoderKL"),
        ("image_variations", "vae/config.json", {"shift_factor": 0.1}, "shift_factor"),
        ("kandinsky", "unet/config.json", {"rope_theta": 10.0}, r"rope_theta.*does not know"),
        ("image_variations", "unet/config.json", {"time_cond_proj_dim": 8}, "time_cond_proj_dim|missing_keys"),
        ("kandinsky", "unet/config.json", {"addition_embed_type": "image_hint"}, "addition_embed_type|missing_keys"),
    ],
)
def test_a_network_of_another_kind_is_refused_by_name(home, tmp_path, name, config, changes, message):
    with pytest.raises(CheckpointError, match=message):
        _load(home, tmp_path, name, config, **changes)


def test_a_prior_of_another_kind_is_refused_by_name(home, tmp_path):
    with pytest.raises(CheckpointError, match=r"expected a PriorTransformer.*'Transformer2DModel'"):
        _load(home, tmp_path, "prior", "prior/config.json", part="prior", _class_name="Transformer2DModel")


def test_a_thousand_steps_with_an_offset_say_how_many_there_are(home, tmp_path):
    space = _load(home, tmp_path, steps_offset=1)
    points = space.encode_images(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy())
    with pytest.raises(InputError, match=r"t=1000 to t=1.*trained at 0 to 999; use 999"):
        space.decode(points, num_inference_steps=1000)


def test_noise_that_ends_without_signal_needs_another_prediction_than_epsilon(home, tmp_path):
    with pytest.raises(CheckpointError, match=r"without signal.*'epsilon', expected 'v_prediction'"):
        _load(home, tmp_path, rescale_betas_zero_snr=True)


@pytest.mark.parametrize("kind", ["EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep"])
def test_noise_without_signal_is_refused_where_diffusers_puts_a_little_for_zero(tmp_path, kind):
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    scheduler = getattr(diffusers, f"{kind}Scheduler")(**betas, num_train_timesteps=1000, rescale_betas_zero_snr=True)
    scheduler.save_pretrained(tmp_path / "scheduler")
    with pytest.raises(CheckpointError, match=r"without signal.*'epsilon', expected 'v_prediction'"):
        load_schedule(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_sample": True, "clip_sample_range": "1"},
        {"clip_sample": "yes"},
        {"thresholding": True, "dynamic_thresholding_ratio": 99.5},
        {"thresholding": True, "sample_max_value": "none"},
        {"steps_offset": -1},
        {"steps_offset": 0.5},
    ],
)
def test_a_setting_that_no_scheduler_can_use_is_refused_by_name(home, tmp_path, changes):
    with pytest.raises(CheckpointError, match=rf"expected {list(changes)[-1]} .* got {list(changes.values())[-1]!r}"):
        _load(home, tmp_path, **changes)


@pytest.mark.parametrize(
    "config", ["model_index.json", "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"]
)
@pytest.mark.parametrize("content", ["[]", "null", "{"])
def test_a_config_that_is_no_object_is_refused_by_its_path(home, tmp_path, config, content):
    shutil.copytree(home / "image_variations", tmp_path / "changed")
    (tmp_path / "changed" / config).write_text(content)
    with pytest.raises(CheckpointError, match=rf"{config.split('/')[-1]}.*get a whole copy"):
        load_space(home / "clip", decoder=tmp_path / "changed", device="cpu")


def test_a_tokenizer_that_does_not_say_its_length_is_refused(home, tmp_path):
    with pytest.raises(CheckpointError, match=r"expected model_max_length in tokenizer_config\.json"):
        _load(home, tmp_path, "prior", "tokenizer/tokenizer_config.json", part="prior", model_max_length=None)


@pytest.mark.parametrize("key", ["beta_schedule", "beta_start", "beta_end", "num_train_timesteps"])
def test_a_scheduler_that_does_not_state_its_noise_is_refused(home, tmp_path, key):
    with pytest.raises(CheckpointError, match=rf"expected \['{key}'\].*say what noise"):
        _load(home, tmp_path, **{key: None})


@pytest.mark.parametrize("name", ["kandinsky", "image_variations"])
def test_a_side_given_as_a_list_is_the_side(home, tmp_path, name):
    space = _load(home, tmp_path, name, "unet/config.json", sample_size=[8, 8])
    assert space.decoder.latent_shape == (4, 8, 8)
    points = space.encode_images(torch.zeros(8, 8, 3, dtype=torch.uint8).numpy())
    assert space.decode(points, num_inference_steps=1)[0].size == (16, 16)


@pytest.mark.parametrize("size", [None, [8, 16], "8", 0])
@pytest.mark.parametrize("name", ["kandinsky", "image_variations"])
def test_a_side_that_is_none_or_no_square_is_named(home, tmp_path, name, size):
    with pytest.raises(CheckpointError, match=r"sample_size, the side of a square.*'unet'"):
        _load(home, tmp_path, name, "unet/config.json", sample_size=size)


def test_a_folder_is_loaded_by_its_path(home):
    space = load_space(home / "clip", device="cpu")
    assert space.stamp == load_space(f"local-dir:{home / 'clip'}", device="cpu").stamp
    assert untrained_space(home / "clip", seed=0, device="cpu").stamp.dim == tiny.DIM
    with pytest.raises(CheckpointError, match=r"open_clip_config\.json"):
        load_space(Path("mini"))
    with pytest.raises(InputError, match="got int"):
        load_space(3)


@pytest.mark.parametrize(("steps", "start"), [(334, 667), (501, 501), (600, 600)])
def test_steps_that_start_far_from_noise_are_warned_of_and_told_better_ones(home, steps, start):
    schedule = load_schedule(home / "image_variations")
    with pytest.warns(ConvergenceWarning, match=rf"start at t={start} of 999.*use \d+ or \d+") as caught:
        schedule.timesteps(steps)
    better = [int(n) for n in str(caught[0].message).split("use ")[1].split(" or ")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in better:
            assert schedule.timesteps(n)[0] > 990


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("preprocess_cfg"), "expected preprocess_cfg"),
        (lambda config: config["preprocess_cfg"].update(resize="squash"), r"'resize_mode'.*got .*'resize'"),
        (lambda config: config["preprocess_cfg"].pop("mean"), "expected mean of three numbers"),
        (lambda config: config["preprocess_cfg"].update(mean=[0.5]), r"expected mean of three numbers.*\[0\.5\]"),
        (lambda config: config["preprocess_cfg"].update(std=[0, 0, 0]), "expected std of three numbers above 0"),
        (lambda config: config["model_cfg"].update(quick_gelu="false"), "quick_gelu true or false.*'false'"),
    ],
)
def test_what_a_clip_s_config_leaves_open_is_not_guessed(home, tmp_path, change, message):
    with pytest.raises(CheckpointError, match=message):
        load_space(tiny.variant(f"local-dir:{home / 'clip'}", tmp_path / "clip", change), device="cpu")


def test_a_key_that_no_clip_knows_is_refused_by_name(home, tmp_path):
    shutil.copytree(home / "clip", tmp_path / "clip")
    config = json.loads((home / "clip" / "open_clip_config.json").read_text())
    config["model_cfg"]["rope_base"] = 10
    (tmp_path / "clip" / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="rope_base"):
        load_space(tmp_path / "clip", device="cpu")
