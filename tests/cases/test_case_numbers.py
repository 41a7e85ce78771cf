"""Numbers that say no more than they know."""

import numpy as np
import open_clip
import pytest

from clipspace import zero_shot
from clipspace.errors import InputError, SampleWarning
from clipspace.probes.zero_shot import zero_shot_accuracy


@pytest.fixture(scope="module")
def imagenet(space, apple, house):
    with pytest.warns(SampleWarning, match=r"\['missile', 'sunglasses'\]"):
        return zero_shot(space, [apple, house], open_clip.IMAGENET_CLASSNAMES)


def test_the_official_names_of_imagenet_are_a_thousand_classes(imagenet):
    assert imagenet.probabilities.shape == (2, 1000)
    assert imagenet.probabilities.sum(axis=1) == pytest.approx(1)
    for one, other in ((657, 744), (836, 837)):
        assert imagenet.labels[one] == imagenet.labels[other]
        assert np.array_equal(imagenet.probabilities[:, one], imagenet.probabilities[:, other])


@pytest.mark.filterwarnings("ignore:zero_shot")
def test_class_numbers_of_imagenet_are_positions_among_its_names(space, apple, house, imagenet):
    truth = imagenet.probabilities.argmax(axis=1)
    scores = zero_shot_accuracy(space, [apple, house], truth, open_clip.IMAGENET_CLASSNAMES)
    assert scores["top-1"].value == 1
    assert scores["top-1"].chance == 1 / 1000


def test_a_refused_list_of_names_is_shortened(space, apple):
    with pytest.raises(InputError, match="and 990 more") as refused:
        zero_shot_accuracy(space, [apple], ["no such class"], open_clip.IMAGENET_CLASSNAMES)
    assert len(str(refused.value)) < 500
