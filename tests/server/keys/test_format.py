"""What a key looks like: known by its shape, and a typo is found without a look-up."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.server.keys.format import CHARACTERS_MAX, PATTERN, mint_key, read_key
from doorward.server.names import ENVIRONMENT

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
environments = st.from_regex(re.compile(ENVIRONMENT, re.ASCII), fullmatch=True)


@given(environments)
def test_a_key_is_read_as_it_was_made(environment):
    made = mint_key(environment)

    assert read_key(made.text) == made
    assert made.text.startswith(f"dw_{environment}_{made.handle}")
    assert len(made.text) <= CHARACTERS_MAX


@given(st.data())
def test_one_wrong_character_anywhere_makes_it_no_key(data):
    text = mint_key("live").text
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda char: char != text[at]))

    assert read_key(text[:at] + other + text[at + 1 :]) is None


@given(st.data())
def test_two_neighbours_that_change_places_make_it_no_key(data):
    text = mint_key("live").text
    at = data.draw(st.integers(0, len(text) - 2))
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]

    assert (read_key(swapped) is None) == (swapped != text)


@given(st.text() | st.from_regex(PATTERN))
def test_any_text_is_read_or_is_none_and_nothing_is_raised(text):
    read_key(text)


def test_of_a_hundred_thousand_strings_of_the_right_shape_none_is_a_key():
    draw = random.Random(20261125)

    found = ["".join(draw.choices(ALPHABET, k=63)) for _ in range(100_000)]

    assert not any(read_key(f"dw_live_{text}") for text in found)


@pytest.mark.parametrize("text", ["", "dw_", "dw_live_", "dw_live_" + "a" * 10_000, "DW_LIVE_"])
def test_what_only_begins_like_a_key_is_none(text):
    assert read_key(text) is None


def test_no_two_keys_share_a_handle_or_a_secret():
    made = [mint_key("live").text for _ in range(1000)]

    assert len({text[8:24] for text in made}) == len({text[24:64] for text in made}) == 1000
