"""What a checkpoint's scheduler config says of its noise, taken into a `Schedule`; what is not known is refused, never guessed.

Taken over: the betas, ``num_train_timesteps``, ``rescale_betas_zero_snr``, ``prediction_type``, ``timestep_spacing``,
``steps_offset``, ``set_alpha_to_one``, ``final_sigmas_type``, and what limits x_0: ``clip_sample``, ``clip_sample_range``,
``thresholding``, ``dynamic_thresholding_ratio``, ``sample_max_value``. A key holds where the class that the config names
reads it; one that is left out has that class's default. The rest of what these classes read says how they solve the equation
(``solver_order``, ``variance_type``, …) and is not used, for here every schedule is visited by DDIM.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, get_args

import torch

from clipspace.diffusion.schedule import Prediction, Schedule, clipping, thresholding
from clipspace.errors import CheckpointError
from clipspace.models.components import Components
from clipspace.models.config_files import read_config
from clipspace.models.folders import Source

KNOWN = (
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UnCLIPScheduler",
    "UniPCMultistepScheduler",
)
"""Samplers of networks trained on a chain of betas and told an integer timestep, as diffusers names them."""
_KEEP_NOISE = ("DDIMParallelScheduler", "DDIMScheduler")
_LINSPACE = ("DPMSolverSinglestepScheduler", "UnCLIPScheduler")
"""Those that name no spacing and spread timesteps from the last to 0."""
_DIFFERENT_NOISE = {  # key: values that leave the noise as the betas have it
    "use_flow_sigmas": (False, None),
    "use_karras_sigmas": (False, None),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "use_lu_lambdas": (False, None),
    "use_dynamic_shifting": (False, None),
    "shift_terminal": (None, False),
    "sigma_min": (None,),
    "sigma_max": (None,),
    "timestep_type": ("discrete",),
    "lambda_min_clipped": (float("-inf"), None),
}
_SWITCHES = {"clip_sample", "thresholding", "set_alpha_to_one", "rescale_betas_zero_snr"}
_RANGES: dict[str, tuple[Any, float, float]] = {
    "steps_offset": (int, 0, math.inf),
    "clip_sample_range": ((int, float), 0, math.inf),
    "dynamic_thresholding_ratio": ((int, float), 0, 1),
    "sample_max_value": ((int, float), 1, math.inf),
}


def load_schedule(folder: Source, part: str = "scheduler") -> Schedule:
    """The `Schedule` of a checkpoint: the noise it was trained with, visited by DDIM, and the limit of its own sampler.

    Raises `CheckpointError` for a scheduler, a prediction or a setting that is not known here, and for noise that no step
    can be taken through.
    """
    where = f"the {part} of {str(folder)!r}"
    scheduler, config = _own_scheduler(_written(folder, part), where)
    alphas = scheduler.alphas_cumprod.double()
    prediction = config["prediction_type"]
    _check_noise(alphas, prediction, bool(config.get("rescale_betas_zero_snr")), where)
    to_one = config.get("set_alpha_to_one", True) and config.get("final_sigmas_type", "zero") == "zero"
    return Schedule(
        alphas,
        1.0 if to_one else float(alphas[0]),
        prediction,
        _spacing(len(alphas), config, where),
        _limit(config),
        config["_class_name"] in _KEEP_NOISE,
    )


def _written(folder: Source, part: str) -> dict[str, Any]:
    if not isinstance(folder, Components):
        return read_config(folder / part / "scheduler_config.json")
    scheduler = folder.part(part)
    return dict(scheduler.config) | {"_class_name": type(scheduler).__name__}


def _own_scheduler(written: dict[str, Any], where: str) -> tuple[Any, dict[str, Any]]:
    """The scheduler that a config names, and the settings that it reads, with its defaults; checked."""
    import diffusers

    name = written.get("_class_name")
    if name not in KNOWN:
        raise CheckpointError(
            f"load_space: expected a scheduler out of {list(KNOWN)} in {where}, got {name!r}, whose noise is not known here; "
            "load a checkpoint that was trained with one of these"
        )
    cls = getattr(diffusers, name)
    parameters = {k: p.default for k, p in inspect.signature(cls.__init__).parameters.items() if k != "self"}
    _check_stated(written, parameters, where)
    _check_keys(written, parameters, where)
    config = {"_class_name": name, "prediction_type": "epsilon"} | parameters
    config |= {k: v for k, v in written.items() if k in parameters}
    known = get_args(Prediction)
    if config["prediction_type"] not in known:
        raise CheckpointError(
            f"load_space: expected prediction_type out of {list(known)} in {where}, got {config['prediction_type']!r}; "
            "correct it, or load a checkpoint of such a kind"
        )
    _check_settings(config, where)
    try:
        return cls(**{k: v for k, v in config.items() if k in parameters}), config
    except Exception as error:  # each of diffusers' schedulers raises its own types for what it does not take
        raise CheckpointError(f"load_space: {name} does not take the config of {where}: {error}") from error


def _check_stated(written: dict[str, Any], parameters: dict[str, Any], where: str) -> None:
    """The noise that a network was trained with is stated, not a default."""
    needed = ["num_train_timesteps"]
    if "beta_schedule" in parameters and "beta_start" in parameters and written.get("trained_betas") is None:
        cosine = written.get("beta_schedule") == "squaredcos_cap_v2"
        needed += ["beta_schedule"] if cosine else ["beta_schedule", "beta_start", "beta_end"]
    missing = [key for key in needed if written.get(key) is None]
    if missing:
        raise CheckpointError(
            f"load_space: expected {missing} in {where}, which say what noise its network was trained with, got "
            f"{sorted(k for k in written if not k.startswith('_'))}; get a whole copy of the config"
        )


def _check_keys(written: dict[str, Any], parameters: dict[str, Any], where: str) -> None:
    """Nothing in a config changes what its scheduler does in a way that is not known here."""
    import diffusers

    read_elsewhere = {key for name in KNOWN for key in inspect.signature(getattr(diffusers, name).__init__).parameters}
    for key, value in written.items():
        if key.startswith("_") or value is None or (value is False and key != "predict_epsilon"):  # old: predicts x_0
            continue
        if (
            key not in parameters and key not in read_elsewhere
        ):  # left over from another scheduler: not read by this one
            raise CheckpointError(
                f"load_space: {where} sets {key}={value!r}, which is not known here and may change what it does; "
                "update diffusers, or take it out where you know that it does nothing"
            )
        if key in parameters and key in _DIFFERENT_NOISE and value not in _DIFFERENT_NOISE[key]:
            raise CheckpointError(
                f"load_space: {where} sets {key}={value!r}, expected one of {list(_DIFFERENT_NOISE[key])}: it then visits "
                "other noise than the timesteps its network was trained at; take it out to visit those"
            )


def _check_settings(config: dict[str, Any], where: str) -> None:
    """The settings taken over here beside the betas are such as their scheduler can use."""
    needed = {"steps_offset"} & config.keys()
    needed |= {"clip_sample_range"} if config.get("clip_sample") else set()
    needed |= {"dynamic_thresholding_ratio", "sample_max_value"} if config.get("thresholding") else set()
    for key in _SWITCHES & config.keys():
        if config[key] not in (True, False, None):
            raise CheckpointError(
                f"load_space: expected {key} true or false in {where}, got {config[key]!r}; correct it"
            )
    for key in sorted(needed):
        kind, least, most = _RANGES[key]
        value = config[key]
        if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
            raise CheckpointError(
                f"load_space: expected {key} from {least:g} to {most:g} in {where}, got {value!r}; get a whole copy of the "
                "config, or correct it"
            )


def _check_noise(alphas: torch.Tensor, prediction: str, zero_snr: bool, where: str) -> None:
    falls = bool((alphas[1:] <= alphas[:-1]).all())
    if not (alphas.isfinite().all() and falls and alphas[0] < 1 and alphas[-1] >= 0):
        raise CheckpointError(
            f"load_space: expected noise that grows from above 0 to at most 1 in {where}, got a share of signal from "
            f"{float(alphas[0]):.6g} to {float(alphas[-1]):.6g}; get a whole copy of the config"
        )
    if prediction == "epsilon" and (zero_snr or alphas[-1] < 1e-12):  # some of diffusers put 2**-24 for zero
        raise CheckpointError(
            f"load_space: {where} ends without signal (rescale_betas_zero_snr, or betas that reach 1) and predicts "
            "'epsilon', expected 'v_prediction' or 'sample': from noise alone a predicted noise tells nothing of the image"
        )


def _spacing(total: int, config: dict[str, Any], where: str) -> Callable[[int], list[int]]:
    """Timesteps from noise to image, as diffusers' DDIM spreads them."""
    from diffusers import DDIMScheduler

    name = "linspace" if config["_class_name"] in _LINSPACE else config["timestep_spacing"]
    if name not in ("leading", "linspace", "trailing"):
        raise CheckpointError(
            f"load_space: expected timestep_spacing 'leading', 'linspace' or 'trailing' in {where}, got {name!r}"
        )
    offset = int(config.get("steps_offset", 0))
    spread = DDIMScheduler(num_train_timesteps=total, timestep_spacing=name, steps_offset=offset)

    def spacing(num_inference_steps: int) -> list[int]:
        spread.set_timesteps(num_inference_steps)
        return spread.timesteps.tolist()[:num_inference_steps]  # of 61 trailing steps diffusers makes 62, the last t=-1

    return spacing


def _limit(config: dict[str, Any]) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if config.get("thresholding"):
        return thresholding(float(config["dynamic_thresholding_ratio"]), float(config["sample_max_value"]))
    return clipping(float(config["clip_sample_range"])) if config.get("clip_sample") else None
