"""Tokens by chance that can be repeated: each mutation alone, then several of them together."""

from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

from clerk.differential.draft import Case, Draft, Forge, good
from clerk.differential.mutations import Mutation, odd_members, pointed

_TOGETHER_MAX = 3
_FEATURES = ("files", "seats", "a:b", "teams")
_SCOPES = ("o", "o", "o", "ou", "uo", "u", "x", "oo")
_PERMISSIONS = ("read", "write", "manage", "delete", "own")


def cases(issuer: Any, stranger: Any, seed: int, count: int) -> list[Case]:
    """Make so many tokens, always the same ones for a seed and a pair of keys."""
    return list(islice(_endless(Forge(issuer, stranger), Random(seed)), count))


def _endless(forge: Forge, chance: Random) -> Iterator[Case]:
    aimed, odd = pointed(), odd_members()
    for mutation in aimed:
        yield _case(forge, chance, [mutation])
    chance.shuffle(odd)
    while True:
        for mutation in odd:
            yield _case(forge, chance, [mutation])
            yield _case(forge, chance, _several(chance, aimed, odd))
            yield _with_permissions(forge, chance)


def _several(chance: Random, aimed: list[Mutation], odd: list[Mutation]) -> list[Mutation]:
    count = chance.randint(2, _TOGETHER_MAX)
    return [chance.choice(chance.choice((aimed, odd))) for _ in range(count)]


def _case(forge: Forge, chance: Random, bent: list[Mutation]) -> Case:
    draft = good(chance, forge.issuer.kid)
    for _, apply in bent:
        apply(draft)
    return _made(forge, draft, " + ".join(name for name, _ in bent))


def _with_permissions(forge: Forge, chance: Random) -> Case:
    """Make a good token whose compact permissions are well formed and otherwise by chance."""
    features = [
        f"{chance.choice(_SCOPES)}:{name}"
        for name in chance.sample(_FEATURES, chance.randint(1, len(_FEATURES)))
    ]
    names = chance.sample(_PERMISSIONS, chance.randint(1, len(_PERMISSIONS)))
    masks = [_mask(chance) for _ in range(chance.randint(0, len(features) + 1))]
    draft = good(chance, forge.issuer.kid)
    comma = chance.choice((",", ",", " , "))
    draft.claims |= {
        "v": 2,
        "fea": comma.join(features),
        "o": {"id": "org_1", "rol": chance.choice(("admin", "", "org:admin"))}
        | {"per": comma.join(names), "fpm": comma.join(masks)},
    }
    return _made(forge, draft, f"fea={draft.claims['fea']} o={draft.claims['o']}")


def _mask(chance: Random) -> str:
    odd = ("-1", "+1", "0x1", "1.0", "1e1", "1_0", "", str(2**53 + 1), "\u0661")
    return chance.choice(odd) if chance.random() < 0.1 else str(chance.randrange(64))


def _made(forge: Forge, draft: Draft, recipe: str) -> Case:
    return Case(recipe, forge.make(draft), draft.options, draft.now)
