"""Published JSON Web Signature vectors of the C2SP Wycheproof project, where they are at hand."""

from pathlib import Path

import pytest

from clerk import wycheproof

if not wycheproof.FOLDER.is_dir():
    pytest.skip(
        f"LOUD: no Wycheproof vectors in {wycheproof.FOLDER}; set DOORWARD_VECTORS",
        allow_module_level=True,
    )

VECTORS = list(wycheproof.vectors())
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "wycheproof.md"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v.file}-{v.number}-{v.comment}")
def test_what_is_accepted_is_valid_and_what_is_valid_for_rs256_is_accepted(vector):
    assert wycheproof.doorward(vector) is (vector.valid and vector.concerns_us)


def test_the_vectors_are_all_there():
    assert sum(vector.file == "signatures" for vector in VECTORS) == 401
    assert sum(vector.concerns_us for vector in VECTORS) > 250


def test_the_page_says_what_the_run_says():
    assert wycheproof.table() in PAGE.read_text()
