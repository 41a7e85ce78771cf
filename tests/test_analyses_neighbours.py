"""What is said of the neighbours of an edited z."""

from clipspace.analyses.neighbours import _OF, _findings


def test_the_nearest_neighbour_is_the_first_of_however_many():
    def row(which, picture, cosine):
        return {"of": which, "picture": picture, "cosine": cosine, "P(after)": None}

    table = [row(which, "decode", 0.5) for which in _OF]
    table += [row(which, f"neighbour {rank}", 1.0 if rank == 1 else 0.0) for which in _OF for rank in range(1, 13)]
    (said,) = _findings(table)
    assert "nearest neighbour: 1.00 for the edited z and 1.00 for z itself" in said
    assert "E(decode) to the edited z: 0.50" in said
