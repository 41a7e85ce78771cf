"""The manipulations of DALL-E 2 (Ramesh et al. 2022, arXiv 2204.06125, sections 3 and 4) on any space.

Each takes the space first, then points, then options, and returns `Pictures`. A point is an image (path,
PIL, array), the `Code` it was inverted to, `Embeddings` of one row, or, in a space with a prior, a text.
Images and codes have an x_T of their own; for the others it is drawn from the seed. A string is a path or a text by
the rule of `image_or_text`: a ``pathlib.Path`` is always an image, and ``space.encode_texts(...)`` always a text. The
provenance names every input with a digest (`results.input_of`).

``num_inference_steps`` and ``guidance_scale`` are the sampler's, for inversion and decoding alike. When None, the steps are
those of a code among the points, else the space's default. Where x_T is drawn, guidance is the decoder's own
(`Space.guidance_scale`) and x_0 is clipped as the checkpoint's own sampler does. Where an x_T is inverted, guidance is that of
a code among the points, else 1, and nothing is clipped, for a clipped step has no inverse. The provenance says which. Guidance
above 1 shows z more sharply and varies less; inverting under it takes twice the evaluations, and may not converge.
"""

from clipspace.manipulate.decoding import generate, invert, reconstruct, variations
from clipspace.manipulate.edits import text_diff
from clipspace.manipulate.one_point import metamers
from clipspace.manipulate.paths import blend, interpolate

__all__ = ["blend", "generate", "interpolate", "invert", "metamers", "reconstruct", "text_diff", "variations"]
