from dataclasses import replace

import numpy as np
import pytest

from clipspace import PCA, blend, generate, interpolate, invert, reconstruct, text_diff, variations
from clipspace.diffusion import sampling
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.manipulate import metamers
from clipspace.points import sphere
from clipspace.scenes import render, sample_scenes
from clipspace.seeds import child_seed
from clipspace.sources.images import psnr

STEPS = {"num_inference_steps": 20}


@pytest.fixture(scope="module")
def space(quick):
    return quick


@pytest.fixture(scope="module")
def codes(space, apple, house):
    return space.invert([apple, house], **STEPS)


def test_an_inverted_image_comes_back(space, apple, house, codes):
    again = invert(space, [apple, house], **STEPS)
    np.testing.assert_array_equal(again.noise, codes.noise)
    for image, decoded in zip((apple, house), space.decode(again.embeddings, **again.settings), strict=True):
        assert psnr(decoded, image) > 35


def test_variations_start_from_the_reconstruction_and_differ(space, apple, codes):
    result = variations(space, codes[0], n=3, seed=1, **STEPS)
    assert psnr(result.images[0], apple) > 35
    assert len({image.tobytes() for image in result.images}) == 4
    again = variations(space, codes[0], n=3, seed=1, **STEPS)
    assert [i.tobytes() for i in again.images] == [i.tobytes() for i in result.images]


def test_variations_of_a_vector_record_the_seed_of_each(space, codes):
    vector = codes.embeddings[1]
    two, three = (variations(space, vector, n=n, seed=6, num_inference_steps=4) for n in (2, 3))
    assert three.provenance.options["seeds"] == [[6, 0], [6, 1], [6, 2]]
    for a, b in zip(two.images, three.images, strict=False):
        assert psnr(a, b) > 45


def test_variations_without_eta_are_one_image(space, codes):
    first, *others = variations(space, codes[0], n=2, eta=0.0, **STEPS).images
    assert all(psnr(first, other) > 45 for other in others)


def test_a_code_is_decoded_under_the_guidance_it_was_inverted_with(space, apple):
    code = space.invert(apple, num_inference_steps=4, guidance_scale=2.0, method="ddim")
    (oracle,) = space.decode(code.embeddings, **code.settings)
    edit = text_diff(space, code, "a red apple", "a blue apple", frames=2)
    assert psnr(edit.images[0], oracle) > 45
    assert edit.provenance.options["guidance_scale"] == 2.0
    with pytest.raises(InputError, match=r"guidance_scale=1.0, got one with 2.0"):
        variations(space, code, guidance_scale=1.0)


def test_guidance_reaches_what_is_drawn_from_embeddings(space, codes):
    point, noise = codes.embeddings[0], space.noise(1, seed=7)
    (oracle,) = space.decode(point, noise=noise, num_inference_steps=4, guidance_scale=3.0)
    for call in (
        lambda **how: variations(space, point, n=1, **how),
        lambda **how: interpolate(space, point, point, frames=2, noise="fixed", **how),
    ):
        guided, plain = (call(seed=7, num_inference_steps=4, guidance_scale=scale).images[0] for scale in (3.0, 1.0))
        assert psnr(guided, oracle) > 45 > psnr(plain, oracle)


def test_points_of_another_space_are_refused_by_every_manipulation(space, codes):
    stamp = replace(space.stamp, weights="0" * 16)
    foreign = replace(codes.embeddings[0], stamp=stamp)
    calls = (
        lambda point: variations(space, point, n=1),
        lambda point: interpolate(space, point, codes[1]),
        lambda point: text_diff(space, point, None, "a red apple"),
        lambda point: blend(space, [point, codes.embeddings[1]]),
    )
    for call in calls:
        for point in (foreign, replace(codes[0], embeddings=foreign)):
            with pytest.raises(SpaceMismatchError, match="00000000"):
                call(point)


def test_a_variation_does_not_draw_x_T_again(space, codes, monkeypatch):
    x_T, added = space.noise(1, seed=5), []
    sample, draw = sampling.sample, sampling.draw_noise

    def draw_noise(shape, rngs):
        added.append(draw(shape, rngs))
        return added[-1]

    def watched(*args, **how):
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "draw_noise", draw_noise)
            return sample(*args, **how)

    monkeypatch.setattr(sampling, "sample", watched)
    variations(space, codes.embeddings[0], n=1, seed=5, num_inference_steps=3)
    assert len(added) == 3
    assert not any(np.array_equal(noise, x_T) for noise in added)


def test_interpolation_ends_are_the_inputs(space, apple, house, codes):
    result = interpolate(space, codes[0], codes[1], frames=3, **STEPS)
    assert psnr(result.images[0], apple) > 35
    assert psnr(result.images[-1], house) > 35
    ends = codes.embeddings.vectors
    assert np.allclose(result.embeddings.vectors[1], sphere.slerp(ends[0], ends[1], 0.5), rtol=1e-5, atol=1e-4)


def test_equal_angles_keep_one_speed_through_unequal_keyframes(space, codes):
    a, c = codes.embeddings[0], codes.embeddings[1]
    b = a.with_vectors(sphere.slerp(a.vectors[0], c.vectors[0], 0.2)[None])  # so the whole path is one great circle
    result = interpolate(space, a, b, c, frames=4, spacing="angle", noise="fixed", num_inference_steps=2)
    points = result.embeddings.vectors
    steps = sphere.angle(points[:-1], points[1:])
    assert len(result.images) == 7
    assert np.allclose(steps, sphere.angle(a.vectors[0], c.vectors[0]) / 6, atol=1e-5)
    legs = interpolate(space, a, b, c, frames=4, noise="fixed", num_inference_steps=2).embeddings.vectors
    assert np.ptp(sphere.angle(legs[:-1], legs[1:])) > 0.05


def test_z_decides_the_angles_and_x_T_follows(space, apple, codes, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        type(space), "decode", lambda self, z, *, noise, **_: seen.update(noise=noise) or [apple] * len(z)
    )
    ends = codes.embeddings.vectors
    near = codes.embeddings[0].with_vectors(sphere.slerp(*ends, 0.2)[None])
    keyframes = [codes[0], replace(codes[1], embeddings=near), codes[1]]
    interpolate(space, *keyframes, frames=3, spacing="angle", **STEPS)
    expected = sphere.along(
        np.stack([code.noise.ravel() for code in keyframes]),
        sphere.evenly(np.concatenate([code.embeddings.vectors for code in keyframes]), 5),
    )
    assert np.allclose(seen["noise"].reshape(5, -1), expected, atol=1e-4)


def test_a_code_and_its_image_give_the_same(space, apple, codes):
    a = interpolate(space, apple, codes[1], frames=2, **STEPS)
    b = interpolate(space, codes[0], codes[1], frames=2, **STEPS)
    assert psnr(a.images[0], b.images[0]) > 45


def test_more_keyframes_texts_and_embeddings(space, apple, codes):
    result = interpolate(space, codes[0], "a blue house", codes.embeddings[1], frames=2, noise="fixed", **STEPS)
    assert len(result.images) == 3
    assert np.allclose(result.embeddings.vectors[0], codes.embeddings.vectors[0], rtol=1e-4)
    assert np.allclose(result.embeddings.vectors[2], codes.embeddings.vectors[1], rtol=1e-4)


def test_text_diff_moves_along_the_difference_from_the_reconstruction(space, apple, codes):
    before, after = "a red apple on a white ground", "a blue apple on a white ground"
    result = text_diff(space, codes[0], before, after, theta=0.4, frames=4, **STEPS)
    assert psnr(result.images[0], apple) > 35
    assert {scores.shape for scores in result.scores.values()} == {(1, len(result.images))}
    assert np.all(np.diff(result.scores["cosine to after"][0]) > 0)
    start = codes.embeddings.vectors[0]
    texts = space.encode_texts([before, after]).unit
    target = sphere.unit(texts[1] - texts[0])
    moved = sphere.angle(start, result.embeddings.vectors)
    assert np.allclose(moved, np.linspace(0, 0.4, 4) * sphere.angle(start, target), atol=1e-4)
    assert np.allclose(result.embeddings.norm, np.linalg.norm(start), rtol=1e-4)


def test_text_diff_shows_what_its_text_says(trained, apple):
    before, after = "a red apple on a white ground", "a blue apple on a white ground"
    result = text_diff(trained, apple, before, after, theta=0.4, frames=4, **STEPS)
    assert psnr(result.images[0], apple) > 35
    redrawn = result.scores["cosine of the image to after"][0]
    assert np.all(np.diff(redrawn) > -0.02)
    assert redrawn[-1] > redrawn[0] + 0.1


def test_text_diff_holds_x_T_and_begins_with_the_reconstruction_bit_for_bit(space, codes):
    texts = "a red apple on a white ground", "a blue apple on a white ground"
    result = text_diff(space, codes[0], *texts, theta=0.4, frames=3, **STEPS)
    held = space.decode(result.embeddings, noise=codes[0].noise, **STEPS)
    start = space.decode(codes.embeddings[[0, 0, 0]], noise=codes[0].noise, **STEPS)
    assert [i.tobytes() for i in result.images] == [i.tobytes() for i in held]
    assert result.images[0].tobytes() == start[0].tobytes()


def test_text_diff_without_a_baseline(space, codes):
    result = text_diff(space, codes[0], None, "a blue house", theta=0.2, frames=2, **STEPS)
    end = result.embeddings.unit[-1]
    expected = sphere.slerp(codes.embeddings.unit[0], space.encode_texts("a blue house").unit[0], 0.2)
    assert np.allclose(end, expected, atol=1e-5)


def test_reconstruct_from_all_components_is_the_embedding(space, apple, house):
    corpus = space.encode_images([render(s) for s in sample_scenes(200, seed=31)])
    pca = PCA().fit(corpus.unit)
    result = reconstruct(space, [apple, house], pca, components=(2, 16, 128, 999), **STEPS)
    cosines = result.scores["cosine to the full embedding"]
    assert np.allclose(cosines[:, -1], 1, atol=1e-6)
    assert np.all(np.diff(cosines, axis=1) > 0)
    assert list(result.labels["columns"]) == ["2", "16", "128", "source"]
    assert result.rows[1][-1] is not result.rows[0][-1]
    assert len(reconstruct(space, np.asarray(apple), pca, components=(2,), num_inference_steps=2).rows) == 1


def test_generate_draws_each_condition(space):
    texts = ["a red apple", "a blue house"]
    sources = {s: generate(space, texts, n=2, source=s, seed=3, **STEPS) for s in ("prior", "text", "none")}
    for result in sources.values():
        assert [len(row) for row in result.rows] == [2, 2]
    assert sources["none"].rows[0][0].tobytes() != sources["prior"].rows[0][0].tobytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (interpolate, "two keyframes"),
        (lambda s, a: interpolate(s, a, a, frames=1), "at least 2"),
        (lambda s, a: interpolate(s, a, a, noise="white"), "inverted"),
        (lambda s, a: interpolate(s, a, a, spacing="time"), "'keyframes' or 'angle'"),
        (lambda s, a: interpolate(s, a, "missing.png"), "no such file"),
        (lambda s, a: variations(s, a, n=-1), "at least 1"),
        (lambda s, a: text_diff(s, a, "a cat", "a cat"), "two different texts"),
        (lambda s, a: text_diff(s, a, "a cat", "a dog", theta=0), "theta"),
        (lambda s, a: generate(s, "a cat", source="thin air"), "source"),
        (lambda s, a: reconstruct(s, a, PCA(2).fit(np.eye(128)), components=(5,)), "from 1 to 2"),
        (
            lambda s, a: reconstruct(s, a, PCA(2, normalize=False).fit(3 * np.eye(128)), components=(2,)),
            "vectors about 3 long",
        ),
        (lambda s, a: variations(s, s.encode_images([a, a])), "one point"),
        (lambda s, a: variations(s, a, guidance_scale=float("nan")), "finite guidance_scale"),
        (
            lambda s, a: variations(s, s.invert(a, num_inference_steps=2, method="ddim"), num_inference_steps=50),
            "num_inference_steps=50, got one with 2",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_work(space, apple, call, message):
    with pytest.raises(InputError, match=message):
        call(space, apple)


def test_antipodal_keyframes_are_refused(space, codes):
    point = codes.embeddings[0]
    with pytest.raises(InputError, match="antipodal"):
        interpolate(space, point, point.with_vectors(-point.vectors), noise="fixed")


def test_a_blend_takes_texts_images_and_embeddings_and_says_what_made_each(space, apple, house):
    points = space.encode_images(house)
    mixed = blend(space, ["a green star", apple, points], [0.2, 0.5, 0.3], seed=4)
    (made_of,) = mixed.columns["made_of"]
    assert made_of == [
        f"'a green star' by the prior of mini, seed {child_seed(4, 'keyframe', 0)}",
        "image",
        "embedding",
    ]
    assert mixed.stamp == space.stamp
    assert len(space.decode(mixed, num_inference_steps=2)) == 1
    two = blend(space, [apple, points], [0.75, 0.25])
    path = sphere.slerp(space.encode_images(apple).vectors[0], points.vectors[0], 0.25)
    assert np.allclose(two.vectors[0], path, atol=1e-4)
    drawn = space.prior("a green star", seed=7)
    assert blend(space, [drawn, points], seed=5).columns["made_of"] == [["embedding", "embedding"]]
    with pytest.raises(InputError, match="at least one item"):
        blend(space, [])


def test_a_code_holds_for_the_decoder_that_it_was_found_with(space, codes):
    assert codes[0].decoder == space.weights["decoder"] is not None
    with pytest.raises(InputError, match="expected a code of this decoder"):
        variations(space, replace(codes[0], decoder="0" * 16), n=1)
    unknown = replace(codes[0], decoder=None)  # of weights that were not in memory
    assert variations(space, unknown, n=1, eta=0.0).images == variations(space, codes[0], n=1, eta=0.0).images


@pytest.fixture
def guided(space, monkeypatch):
    """A space whose decoder and prior were made for guidance 4."""
    for drawer, scale in ((space.decoder, "guidance_scale"), (space.prior_model, "prior_guidance_scale")):
        monkeypatch.setattr(drawer, "facts", replace(drawer.facts, **{scale: 4.0}))
    return space


@pytest.mark.usefixtures("coarse")
def test_guidance_is_the_decoder_s_own_where_noise_is_drawn_and_1_where_an_image_is_inverted(guided):
    image = np.full((64, 64, 3), 120, np.uint8)
    points, steps = guided.encode_images([image, 255 - image]), {"num_inference_steps": 2}
    made = {
        "variations of an image": variations(guided, image, n=1, **steps),
        "variations of an embedding": variations(guided, points[0], n=1, **steps),
        "inverted": interpolate(guided, points[0], image, frames=2, **steps),
        "fixed": interpolate(guided, image, image[:8], frames=2, noise="fixed", **steps),
        "drawn": interpolate(guided, points[0], points[1], frames=2, **steps),
        "generate": generate(guided, "a cat", n=1, **steps),
        "asked": variations(guided, points[0], n=1, guidance_scale=2.0, **steps),
    }
    made["metamers"] = metamers(guided, points[0], n=2, keep=2, same=-1.0, **steps)
    assert {result.provenance.options["num_inference_steps"] for result in made.values()} == {2}
    scales = {name: result.provenance.options["guidance_scale"] for name, result in made.items()}
    assert scales == {
        "variations of an image": 1.0, "variations of an embedding": 4.0, "inverted": 1.0, "fixed": 4.0, "drawn": 4.0, "metamers": 4.0,
        "generate": 4.0, "asked": 2.0,
    }  # fmt: skip
    assert not made["inverted"].provenance.options["clip_sample"]
    assert made["fixed"].provenance.options["clip_sample"]
    assert {result.provenance.options["num_inference_steps"] for result in made.values()} == {2}
    assert made["generate"].provenance.options["prior_guidance_scale"] == guided.prior_guidance_scale == 4.0
    assert made["generate"].provenance.options["prior_steps"] == 25
