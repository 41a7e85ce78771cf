"""Train the mini CLIP: an ordinary open_clip model, open_clip's own loss, scenes rendered by us.

    python -m clipspace.mini.train_clip --work runs/mini
    python -m clipspace.mini.train_clip --work runs/places --policy places

Writes ``runs/mini/clip/``, a folder that open_clip loads as ``local-dir:``. Stopped, it resumes. ``--policy`` chooses
what captions mention (`clipspace.scenes.POLICIES`); the images are the same.
"""

from __future__ import annotations

import json
import time
from itertools import islice
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from clipspace.mini.training import TRAIN_SEED, arguments, rendered_scenes
from clipspace.scenes import POLICIES, caption
from clipspace.training.batches import batches
from clipspace.training.checkpoint import read_checkpoint, save_checkpoint
from clipspace.training.showing import pixels_of

MODEL_CFG = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 32, "patch_size": None},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 3},
}
SAVE_EVERY = 100
PREPROCESS_CFG = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def train(
    work: Path, *, scenes: int, steps: int, batch_size: int, lr: float, device: torch.device, policy: str = "things"
) -> Path:
    """Train for ``steps`` on captions of ``policy`` (a key of `POLICIES`) and return the model folder."""
    torch.manual_seed(TRAIN_SEED)
    specs, pictures = rendered_scenes(work, scenes)
    mentions = POLICIES[policy]
    model = open_clip.model.CLIP(**MODEL_CFG).to(device, memory_format=torch.channels_last)
    tokenizer = open_clip.SimpleTokenizer(context_length=MODEL_CFG["text_cfg"]["context_length"])
    loss_fn = open_clip.ClipLoss()
    optimizer = torch.optim.AdamW(_param_groups(model), lr=lr, betas=(0.9, 0.98), eps=1e-6)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    path, parts = work / "clip.ckpt", {"model": model, "optimizer": optimizer, "schedule": schedule}
    first = read_checkpoint(path, parts)["step"]
    begun = time.monotonic()
    for step, rows in islice(batches(len(specs), batch_size, first, seed=TRAIN_SEED), max(steps - first, 0)):
        texts = [caption(specs[i], np.random.default_rng([TRAIN_SEED, step, i]), mentions).text for i in rows]
        images = pixels_of(pictures[rows], device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            image_embeds = model.encode_image(images, normalize=True)
            text_embeds = model.encode_text(tokenizer(texts).to(device), normalize=True)
        loss = loss_fn(image_embeds.float(), text_embeds.float(), model.logit_scale.exp())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        model.logit_scale.data.clamp_(0, np.log(100))
        if step % 20 == 0:
            rate = (step + 1 - first) * batch_size / (time.monotonic() - begun)
            print(
                f"step {step:5d}  loss {loss.item():.3f}  scale {model.logit_scale.exp():.1f}  {rate:.0f} pairs/s",
                flush=True,
            )
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            save_checkpoint(path, step + 1, parts)
    return export(model, work / "clip")


def _param_groups(model: torch.nn.Module) -> list[dict]:
    """Weight decay on matrices only."""
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]


def export(model: torch.nn.Module, folder: Path) -> Path:
    """Write the folder open_clip reads as ``local-dir:``, in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL_CFG, "preprocess_cfg": PREPROCESS_CFG}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    return folder


if __name__ == "__main__":
    parser = arguments(__doc__, steps=2600, batch_size=384, lr=1.5e-3)
    parser.add_argument("--policy", choices=POLICIES, default="things", help="what captions mention")
    print(train(**vars(parser.parse_args())))
