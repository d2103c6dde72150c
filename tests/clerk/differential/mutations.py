"""Every way in which a token or its options are bent, each under a name that says how."""

from collections.abc import Callable, Iterator
from typing import Any

from clerk.differential.draft import ISSUER, MISSING, PARTY, Draft, deep, digits
from support import NOON

Mutation = tuple[str, Callable[[Draft], None]]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_ODD: tuple[Any, ...] = (
    *(MISSING, None, True, False, 0, 1, -1, -0.0, 0.5, 1.5, 2, 2.0),
    *(NOON + 60.5, NOON + 1e6, -NOON, 1e20, -1e20, 1e308, 2**53, 2**53 + 1, -(2**53) - 1, 2**64),
    *(8.64e12, 8.64e12 + 1, -8.64e12, -8.64e12 - 1, 1e15, -1e15, 10**30, 10**400, -(10**400)),
    *(float("nan"), float("inf"), float("-inf"), digits(4300), digits(4301)),
    *("", " ", "x", "0", "JWT", "null", f"{NOON + 60:.0f}", "\0", "é", "😀", "\ud800", "x" * 3000),
    *([], [None], ["x"], [[]], [["x"]], ["x", 5], [""], {}, {"a": 1}, {"length": 1}),
    *({"toString": 1, "valueOf": 1}, {"toJSON": 1}, {"__proto__": {"a": 1}}),
    *(deep(1), deep(50), deep(900), deep(5500)),
)
_OWN: dict[str, tuple[Any, ...]] = {
    "alg": (
        *("none", "None", "NONE", "nOnE", "rs256", "RS256 ", "RS384", "RS512", "RS1", "HS256"),
        *("HS384", "HS512", "ES256", "PS256", "EdDSA", "constructor", ["RS256"], "SHA256"),
    ),
    "typ": ("jwt", "Jwt", "at+jwt", "application/at+jwt", "AT+JWT", "JWT ", "JOSE", ["JWT"]),
    "cat": (
        *("cl_B7d4PD222AAA", "cl_B7d4PD333AAA", "cl_I7d4PD111III", "cl_B7d4PD111AAA "),
        *("cl_b7d4pd111aaa", "cl_B7d4PD444AAA", ["cl_B7d4PD111AAA"], ["cl_B7d4PD333AAA"]),
    ),
    "kid": ("ins_other", "../../dev/null", "' OR 1=1 --", "__proto__", "constructor", ["ins_1"]),
    "crit": ([], ["exp"], ["b64"], ["x"], "exp"),
    "b64": (False, True),
    "jwk": ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, {"kty": "oct", "k": ""}),
    "jku": ("https://127.0.0.1/jwks.json", "file:///etc/passwd"),
    "x5u": ("https://127.0.0.1/cert.pem",),
    "x5c": (["AAAA"],),
    "zip": ("DEF",),
    "enc": ("A256GCM",),
    "sub": ("mch_1", "mch_", "Mch_1", " mch_1", "user_2"),
    "sts": ("pending", "active"),
    "v": ("2", 3),
    "act": ({"sub": "user_2"},),
}
_HEADER = (
    *("alg", "typ", "kid", "cat", "crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc", "oiat"),
    "__proto__",
)
_CLAIMS = (
    *("iss", "sub", "sid", "exp", "iat", "nbf", "azp", "aud", "jti", "v", "fva", "sts", "act"),
    *("o", "org_id", "org_role", "org_permissions", "scope", "__proto__", "toString"),
)


def odd_members() -> list[Mutation]:
    """List every member of header and claims with every value that is odd anywhere."""
    parts = (("header", _HEADER), ("claims", _CLAIMS))
    return [
        (f"{part} {name}={_named(value)}", _set(part, name, value))
        for part, names in parts
        for name in names
        for value in _ODD
    ]


def pointed() -> list[Mutation]:
    """List the mutations that are each aimed at something."""
    return [
        *_own_values(),
        *_options(),
        *_clocks(),
        *_json_forms("header"),
        *_json_forms("payload"),
        *_encodings(),
        *_signatures(),
    ]


def _named(value: Any) -> str:
    if value is MISSING:
        return "missing"
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}… ({len(text)})"


def _own_values() -> Iterator[Mutation]:
    for name, values in _OWN.items():
        part = "header" if name in _HEADER else "claims"
        for value in values:
            yield f"{part} {name}={_named(value)}", _set(part, name, value)


def _set(part: str, name: str, value: Any) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        getattr(draft, part)[name] = value

    return apply


_AUDIENCES = (
    *(MISSING, None, "", "api", "other", "API", [], [""], ["api"], ["other"], ["other", "api"]),
    *(["api", 5], ["api", None], [["api"]], {"api": 1}, {}, 5, 0, True, False, ["", "other"]),
)
_PARTIES = (
    *(MISSING, None, "", PARTY, f"{PARTY}/", f"{PARTY}.evil.example", PARTY.upper(), [PARTY]),
    *("null", 5, True, {}, f" {PARTY}"),
)
_ISSUERS = (
    *(MISSING, None, "", ISSUER, f"{ISSUER}/", f"{ISSUER}.evil.example", ISSUER.upper()),
    *([ISSUER], 5, True),
)
_ASKED: dict[str, tuple[str, tuple[Any, ...], tuple[Any, ...]]] = {
    "audience": ("aud", _AUDIENCES, (None, "api", ["api"], ["x", "api"], [], "", [""], ["", "x"])),
    "authorized_parties": (
        *("azp", _PARTIES),
        (None, [], [PARTY], ["https://b.example.com", PARTY], [""], ["", PARTY]),
    ),
    "issuer": ("iss", _ISSUERS, (None, ISSUER, [ISSUER], ["x", ISSUER], [], "", [""], ["", "x"])),
}


def _options() -> Iterator[Mutation]:
    """Put every claim against every option that asks about it."""
    for option, (claim, held, asked) in _ASKED.items():
        for value in held:
            for wanted in asked:
                name = f"{claim}={_named(value)} against {option}={_named(wanted)}"
                yield name, _claim_against(claim, value, option, wanted)


def _claim_against(claim: str, value: Any, option: str, wanted: Any) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        draft.claims[claim] = value
        draft.options[option] = wanted

    return apply


_SKEWS = (0, 0.001, 1, 4.999, 5, 5.001, 300)
_NOWS = (0, 0.001, -0.001, 0.5, 0.999)
_OFFSETS = (0, 1, -1, 0.001, -0.001, 0.5, -0.5, 0.999, -0.999, 1.001, 2, -2)


def _clocks() -> Iterator[Mutation]:
    """Put every time exactly at the edge that the skew makes, and around it."""
    for claim, side in (("exp", -1), ("nbf", 1), ("iat", 1)):
        for skew in _SKEWS:
            for offset in _OFFSETS:
                name = f"{claim} {offset:+g} s from the edge of {skew} s"
                yield name, _time(claim, side * skew, offset, skew)


def _time(claim: str, edge: float, offset: float, skew: float) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        value = NOON + edge + offset
        draft.claims[claim] = int(value) if value.is_integer() else round(value, 3)
        draft.options["clock_skew"] = skew
        draft.now = NOON + draft.chance.choice(_NOWS)

    return apply


def _json_forms(part: str) -> Iterator[Mutation]:
    whole = {
        "empty": b"",
        "null": b"null",
        "array": b"[]",
        "array of arrays": b"[[]]",
        "text": b'"x"',
        "number": b"7",
        "true": b"true",
        "object without members": b"{}",
        "open": b"{",
        "bare bytes": b"\xff\xfe{}",
        "open arrays": b"[" * 6000,
        "deep arrays": b"[" * 4000 + b"]" * 4000,
        "deep objects": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    }
    for name, replaced in whole.items():
        yield f"{part} JSON is {name}", _bend(f"{part}_json", lambda _, new=replaced: new)
    for name, bend in _JSON_BENDS.items():
        yield f"{part} JSON {name}", _bend(f"{part}_json", bend)


def _first(member: bytes) -> Callable[[bytes], bytes]:
    return lambda text: b"{" + member + b"," + text[1:]


def _last(member: bytes) -> Callable[[bytes], bytes]:
    return lambda text: text[:-1] + b"," + member + b"}"


_JSON_BENDS: dict[str, Callable[[bytes], bytes]] = {
    "after a BOM": lambda text: b"\xef\xbb\xbf" + text,
    "after two BOMs": lambda text: b"\xef\xbb\xbf" * 2 + text,
    "in UTF-16": lambda text: text.decode("latin-1").encode("utf-16"),
    "with white space around": lambda text: b" \n\t\r" + text + b"\r\n ",
    "with a vertical tab before": lambda text: b"\x0b" + text,
    "with a no-break space before": lambda text: b"\xc2\xa0" + text,
    "with a zero byte behind": lambda text: text + b"\0",
    "with something behind": lambda text: text + b"x",
    "twice": lambda text: text * 2,
    "cut short": lambda text: text[:-1],
    "with a comma too many": lambda text: text[:-1] + b",}",
    "in single quotes": lambda text: text.replace(b'"', b"'"),
    "with a comment": lambda text: b"/**/" + text,
    "with an escaped name": lambda text: text.replace(b'"sub"', b'"\\u0073ub"'),
    "with invalid UTF-8 in a text": _last(b'"x":"\xff"'),
    "with invalid UTF-8 in a name": _last(b'"\xc3":1'),
    "with an overlong letter": _last(b'"x":"\xc0\x80"'),
    "with an encoded surrogate": _last(b'"x":"\xed\xa0\x80"'),
    "with a lone surrogate": _last(b'"x":"\\ud800"'),
    "with a surrogate pair": _last(b'"x":"\\ud83d\\ude00"'),
    "with a control letter in a text": _last(b'"x":"\x01"'),
    "with a number beyond all": _last(b'"x":1e400'),
    "with a leading zero": _last(b'"x":01'),
    "with a plus": _last(b'"x":+1'),
    "with hexadecimal": _last(b'"x":0x10'),
    "with a fraction without digits": _last(b'"x":1.'),
    "with NaN": _last(b'"x":NaN'),
    "with alg none first": _first(b'"alg":"none"'),
    "with alg none last": _last(b'"alg":"none"'),
    "with alg RS256 last": _last(b'"alg":"RS256"'),
    "with typ at+jwt first": _first(b'"typ":"at+jwt"'),
    "with typ at+jwt last": _last(b'"typ":"at+jwt"'),
    "with the template category first": _first(b'"cat":"cl_B7d4PD222AAA"'),
    "with the template category last": _last(b'"cat":"cl_B7d4PD222AAA"'),
    "with another sub first": _first(b'"sub":"user_2"'),
    "with another sub last": _last(b'"sub":"user_2"'),
    "with a machine's sub last": _last(b'"sub":"mch_1"'),
    "with exp 0 first": _first(b'"exp":0'),
    "with exp 0 last": _last(b'"exp":0'),
    "with exp as 1e400": _last(b'"exp":1e400'),
    "with exp as -1e400": _last(b'"exp":-1e400'),
    "with nbf as 1e-400": _last(b'"nbf":1e-400'),
    "with much in it": lambda text: text[:-1] + b',"x":"' + b"x" * 9000 + b'"}',
    "with more than a token may hold": lambda text: text[:-1] + b',"x":"' + b"x" * 13000 + b'"}',
}


def _bend(step: str, bend: Callable[[Any], Any]) -> Callable[[Draft], None]:
    return lambda draft: getattr(draft, step).append(bend)


_SEGMENT_BENDS: dict[str, Callable[[str], str]] = {
    "padded": lambda text: text + "=" * (-len(text) % 4),
    "padded once": lambda text: f"{text}=",
    "padded by five": lambda text: f"{text}=====",
    "with = inside": lambda text: f"{text[:8]}={text[8:]}",
    "in the other alphabet": lambda text: text.replace("-", "+").replace("_", "/"),
    "with + in it": lambda text: f"{text[:8]}+{text[9:]}",
    "with / in it": lambda text: f"{text[:8]}/{text[9:]}",
    "with a space behind": lambda text: f"{text} ",
    "with a space before": lambda text: f" {text}",
    "with a new line inside": lambda text: f"{text[:8]}\n{text[8:]}",
    "with a tab inside": lambda text: f"{text[:8]}\t{text[8:]}",
    "with a zero inside": lambda text: f"{text[:8]}\0{text[8:]}",
    "with a percent inside": lambda text: f"{text[:8]}%2D{text[8:]}",
    "with é in it": lambda text: f"{text[:8]}é{text[9:]}",
    "with a wide A in it": lambda text: f"{text[:8]}\uff21{text[9:]}",
    "with its last letter moved on": lambda text: text[:-1] + _next_letter(text[-1:]),
    "one letter short": lambda text: text[:-1],
    "two letters short": lambda text: text[:-2],
    "three letters short": lambda text: text[:-3],
    "one letter long": lambda text: f"{text}A",
    "empty": lambda _: "",
    "doubled": lambda text: text * 2,
}


def _next_letter(letter: str) -> str:
    return _LETTERS[(_LETTERS.index(letter) + 1) % 64] if letter in _LETTERS[:64] and letter else ""


def _encodings() -> Iterator[Mutation]:
    for name, bend in _SEGMENT_BENDS.items():
        for part in ("header", "payload"):
            yield f"{part} segment {name}, then signed", _bend(f"{part}_segment", bend)
        for index, part in enumerate(("header", "payload", "signature")):
            yield f"{part} segment {name}, after signing", _bend("token", _at(index, bend))
    for name, bend in _TOKEN_BENDS.items():
        yield f"token {name}", _bend("token", bend)


def _at(index: int, bend: Callable[[str], str]) -> Callable[[str], str]:
    def bent(token: str) -> str:
        parts = token.split(".")
        parts[min(index, len(parts) - 1)] = bend(parts[min(index, len(parts) - 1)])
        return ".".join(parts)

    return bent


_TOKEN_BENDS: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "of dots alone": lambda _: "..",
    "with a dot behind": lambda token: f"{token}.",
    "with a dot before": lambda token: f".{token}",
    "with a fourth part": lambda token: f"{token}.AAAA",
    "with a dot inside": lambda token: token[:20] + "." + token[20:],
    "of two parts": lambda token: token.rpartition(".")[0],
    "of one part": lambda token: token.partition(".")[0],
    "with white space around": lambda token: f" {token}\n",
    "after a BOM": lambda token: f"\ufeff{token}",
    "after the word Bearer": lambda token: f"Bearer {token}",
    "after a machine's prefix": lambda token: f"mt_{token}",
    "in quotes": lambda token: f'"{token}"',
    "with its parts turned round": lambda token: ".".join(token.split(".")[::-1]),
    "in capitals": str.upper,
    "oversized": lambda token: token + "A" * 16_384,
    "with a wide full stop": lambda token: token.replace(".", "\uff0e"),
}


def _signatures() -> Iterator[Mutation]:
    yield "signed by a stranger", _set_seal(by_stranger=True)
    for digest, algorithm in (("SHA384", "RS384"), ("SHA512", "RS512"), ("SHA1", "RS1")):
        yield f"signed with {digest} as RS256", _set_seal(seal=digest)
        yield f"signed with {digest} as {algorithm}", _set_seal(algorithm, seal=digest)
    for seal in ("HMAC of the PEM", "HMAC of the DER"):
        for algorithm in ("HS256", "RS256"):
            yield f"{seal} as {algorithm}", _set_seal(algorithm, seal=seal)
    for algorithm in ("none", "None", "NONE", "", "RS256"):
        yield f"unsigned as {algorithm!r}", _set_seal(algorithm, seal="none")
    for name, bend in _SIGNATURE_BENDS.items():
        yield f"signature {name}", _bend("signature", bend)
    for bit in (0, 1, 7, 8, 1000, 2040, 2047):
        yield f"signature with bit {bit} turned", _bend("signature", _flip(bit))


def _set_seal(algorithm: str | None = None, **more: Any) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        if algorithm is not None:
            draft.header["alg"] = algorithm
        for name, value in more.items():
            setattr(draft, name, value)

    return apply


_SIGNATURE_BENDS: dict[str, Callable[[bytes], bytes]] = {
    "cut by one": lambda found: found[:-1],
    "cut to half": lambda found: found[:128],
    "of zeros": lambda found: bytes(len(found)),
    "of ones": lambda found: b"\xff" * len(found),
    "one": lambda found: bytes(len(found) - 1) + b"\x01",
    "with a zero before": lambda found: b"\0" + found,
    "with a zero behind": lambda found: found + b"\0",
    "without its first byte": lambda found: found[1:],
    "doubled": lambda found: found * 2,
    "turned round": lambda found: found[::-1],
}


def _flip(bit: int) -> Callable[[bytes], bytes]:
    def bent(found: bytes) -> bytes:
        if bit // 8 >= len(found):
            return found
        changed = bytearray(found)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    return bent
