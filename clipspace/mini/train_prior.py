"""Train the mini prior: diffusers' PriorTransformer, from text embeddings to image embeddings.

    python -m clipspace.mini.train_prior --work runs/mini

Needs the CLIP of `train_clip` (and its cached embeddings). Writes ``runs/mini/prior/``. The network
predicts the clean image embedding (Ramesh et al. 2022, section 2.2), with the text dropped one time in
ten. Minutes on two cores: the sequence is four tokens long.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import torch
from diffusers import DDIMScheduler, PriorTransformer
from diffusers.training_utils import EMAModel

from clipspace import progress
from clipspace.mini.train_decoder import encoded
from clipspace.mini.training import TRAIN_SEED, arguments, rendered_scenes, stamp_of
from clipspace.scenes import caption
from clipspace.seeds import child_seed
from clipspace.training.loop import Bound, Trained, run
from clipspace.training.prior import BATCH, DECAY, RATE, SCHEDULER, prior_config, prior_loss
from clipspace.training.saving import save_folder
from clipspace.training.showing import pixels_of

PRIOR = prior_config(128)


def train(work: Path, *, scenes: int, steps: int, batch_size: int, lr: float, device: torch.device) -> Path:
    """Train for ``steps`` and return the folder of the averaged weights."""
    torch.manual_seed(TRAIN_SEED)
    specs, pictures = rendered_scenes(work, scenes)
    image_embeds = encoded(work, pictures, device)
    clip, _ = open_clip.create_model_from_pretrained(f"local-dir:{work / 'clip'}")
    clip = clip.eval().to(device)
    tokenizer = open_clip.get_tokenizer(f"local-dir:{work / 'clip'}")
    network = PriorTransformer(**PRIOR).to(device)
    ema = EMAModel(network.parameters(), decay=0.999, use_ema_warmup=True, power=0.8)
    scheduler = DDIMScheduler(**SCHEDULER)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.01)

    def loss(step: int, rows: np.ndarray) -> torch.Tensor:
        texts = [caption(specs[i], np.random.default_rng([TRAIN_SEED, step, i])).text for i in rows]
        with torch.inference_mode():
            text = (
                clip.encode_text(tokenizer(texts).to(device), normalize=True).float()
                * clip.text_projection.shape[-1] ** 0.5
            )
        rng = torch.Generator().manual_seed(child_seed(TRAIN_SEED, "prior", step))
        image = torch.from_numpy(image_embeds[rows]).to(device)
        return prior_loss(network, scheduler, image, text.clone(), rng)

    trained = Trained(network, ema, optimizer, loss, len(specs), batch_size, TRAIN_SEED)
    run(trained, Bound(steps=steps, decay=DECAY), work / "prior.ckpt")
    with torch.inference_mode():
        image_norm = mean_norm(clip, pictures)
    return export(ema, scheduler, work, image_norm)


def export(ema: EMAModel, scheduler: DDIMScheduler, work: Path, image_norm: float) -> Path:
    """Write the averaged weights as a folder that `load_space` takes as ``prior=``."""
    network = PriorTransformer(**PRIOR)
    ema.copy_to(network.parameters())
    return save_folder(work / "prior", "prior", network.half(), scheduler, stamp_of(work), {"image_norm": image_norm})


def mean_norm(clip, pictures: np.ndarray, n: int = 1000) -> float:
    """Mean norm of the raw image embeddings of ``n`` training images, which the prior's unit vectors get back."""
    pixels = pixels_of(pictures[:n], next(clip.parameters()).device)
    return round(float(clip.encode_image(pixels).norm(dim=1).mean()), 4)


if __name__ == "__main__":
    parser = arguments(__doc__, steps=1500, batch_size=BATCH, lr=RATE)
    with progress.shown("train"):
        print(train(**vars(parser.parse_args())))
