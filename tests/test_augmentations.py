"""The changes that stand for factors of real images do what they say."""

import numpy as np
import pytest
from planted import smooth_pictures

from clipspace.probes.factors import AUGMENTATIONS


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_change_pictures_and_keep_their_size(name, rng):
    image = smooth_pictures(1, rng)[0].resize((64, 64))
    augmentation = AUGMENTATIONS[name]
    first = augmentation.draw(rng)
    second = augmentation.draw(rng, other_than=first)
    a, b = augmentation.apply(image, first), augmentation.apply(image, second)
    assert first != second
    assert a.size == b.size == image.size
    assert a.mode == b.mode == "RGB"
    assert np.asarray(a).tolist() != np.asarray(b).tolist()


def test_augmentations_do_what_they_say(rng):
    image = smooth_pictures(1, rng)[0].resize((64, 64))
    pixels = np.asarray(image)
    apply = {name: a.apply for name, a in AUGMENTATIONS.items()}
    assert (np.asarray(apply["rotation"](image, 90)) == np.rot90(pixels)).all()
    assert (np.asarray(apply["flip"](image, True)) == pixels[:, ::-1]).all()
    assert np.ptp(np.asarray(apply["grey"](image, True)), axis=2).max() == 0
    shuffled = np.asarray(apply["patch shuffle"](image, True))
    assert (np.sort(shuffled.reshape(-1, 3), axis=0) == np.sort(pixels.reshape(-1, 3), axis=0)).all()
    left, right = (np.asarray(apply["position"](image, x)) for x in (0.0, 1.0))
    assert (left[:, -20:] == 127).all()
    assert (right[:, :20] == 127).all()
