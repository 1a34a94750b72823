"""Tokens: what they hold, when they end, and every forgery that is refused."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rpsd.core import instant
from rpsd.core.errors import BadConfig, Forbidden, InvalidRequest, RateLimited, StateConflict, Unauthenticated
from rpsd.core.market import SECOND_NS
from rpsd.services.access.pepper import read_pepper
from rpsd.services.access.service import AccessService
from rpsd.services.access.signing import SigningKeys, parsed

SECRET = hashlib.sha512(b"a secret of the test").digest()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def secrets_file(services, *entries: dict[str, Any]) -> Path:
    """Put these keys where the service reads them when it first needs one."""
    file = services.settings.storage.secrets_dir / "jwt.json"
    file.write_text(json.dumps({"keys": entries}))
    file.chmod(0o600)
    return file


def ours(kid: str = "k1", **more: Any) -> dict[str, Any]:
    return {"kid": kid, "kty": "oct", "k": b64(SECRET), **more}


def ed25519(kid: str = "e1", *, private: bool = True) -> tuple[dict[str, Any], Ed25519PrivateKey]:
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"ed").digest())
    x = key.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    d = key.private_bytes(form.Encoding.Raw, form.PrivateFormat.Raw, form.NoEncryption())
    return {"kid": kid, "kty": "OKP", "crv": "Ed25519", "x": b64(x), **({"d": b64(d)} if private else {})}, key


def forged(header: Any, claims: Any, secret: bytes = SECRET) -> str:
    """A token with an honest HS256 signature over whatever it says."""
    words = [b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*words, b64(hmac.digest(secret, ".".join(words).encode(), "sha256"))])


@pytest.fixture
def key(services) -> tuple[str, str]:
    """Id and text of a key with two scopes."""
    row, text = services.access.create("desk", ["read", "predict"], by="admin", limit=900)
    return row["id"], text


def claims_of(services, key_id: str, **more: Any) -> dict[str, Any]:
    now = services.clock() // SECOND_NS
    held = {"sub": key_id, "scope": "read", "iss": "rpsd", "aud": "rpsd", "iat": now, "nbf": now, "exp": now + 900, "jti": "j" * 32}
    return {name: value for name, value in {**held, **more}.items() if value is not ...}


def test_a_token_stands_for_its_key(services, key) -> None:
    made = services.access.token(key[1])
    assert (made["type"], made["scopes"], made["expires"]) == (
        "Bearer",
        ["read", "predict"],
        instant.text(services.clock() + 900 * SECOND_NS),
    )
    principal = services.access.authenticate(made["token"], "192.0.2.1")
    assert (principal.id, principal.name, principal.limit) == (key[0], "desk", 900)
    assert principal.scopes == {"read", "predict"}
    assert len(principal.token_id) == 32
    narrow = services.access.authenticate(services.access.token(key[1], scopes=["read"])["token"])
    assert narrow.scopes == {"read"}
    with pytest.raises(Forbidden):
        services.access.token(key[1], scopes=["read", "admin"])
    with pytest.raises(Unauthenticated):
        services.access.token(made["token"])  # else a token would live for ever


def test_a_token_of_an_admin_holds_every_scope_or_those_asked_for(services) -> None:
    _, root = services.access.create("root", ["admin"], by="admin")
    assert len(services.access.authenticate(services.access.token(root)["token"]).scopes) == 5
    assert services.access.authenticate(services.access.token(root, scopes=["ingest"])["token"]).scopes == {"ingest"}


def test_it_ends_with_its_time_its_key_and_never_outlives_the_key(services, clock) -> None:
    row, text = services.access.create("guest", ["read"], by="admin", expires_ns=clock.now_ns + 60 * SECOND_NS)
    token = services.access.token(text)["token"]
    principal = services.access.authenticate(token)
    assert principal.expires_ns == clock.now_ns + 60 * SECOND_NS
    clock.now_ns += 60 * SECOND_NS
    with pytest.raises(Unauthenticated):
        services.access.authenticate(token)
    assert not services.access.is_alive(principal)
    row, text = services.access.create("desk", ["read"], by="admin")
    token = services.access.token(text)["token"]
    principal = services.access.authenticate(token)
    services.access.revoke(row["id"], "admin")
    with pytest.raises(Unauthenticated):
        services.access.authenticate(token)
    assert not services.access.is_alive(principal)


def test_called_back_it_stays_so_over_a_restart(services, key, clock) -> None:
    told: list[str] = []
    services.access.ended(told.append)
    token, other = (services.access.token(key[1])["token"] for _ in range(2))
    principal = services.access.authenticate(token)
    services.access.end_token(principal)
    assert told == [principal.token_id]
    assert not services.access.is_alive(principal)
    with pytest.raises(InvalidRequest):
        services.access.end_token(services.access.authenticate(key[1]))
    pepper = read_pepper(services.settings.storage.secrets_dir)
    again = AccessService(services.settings, services.database, services.metrics, clock, pepper)
    for access in (services.access, again):
        with pytest.raises(Unauthenticated):
            access.authenticate(token)
        access.authenticate(other)
    clock.now_ns += 900 * SECOND_NS
    assert again.upkeep()["access_rows"] == 1


def test_a_key_cannot_fill_the_disk_with_ended_tokens(services, key, monkeypatch) -> None:
    monkeypatch.setattr("rpsd.services.access.service._MOST_DENIED", 2)
    for _ in range(2):
        services.access.end_token(services.access.authenticate(services.access.token(key[1])["token"]))
    with pytest.raises(RateLimited):
        services.access.end_token(services.access.authenticate(services.access.token(key[1])["token"]))


HEADER = {"alg": "HS256", "kid": "k1", "typ": "JWT"}


def test_an_honest_one_of_the_same_making_is_accepted(services, key) -> None:
    secrets_file(services, ours())
    assert services.access.authenticate(forged(HEADER, claims_of(services, key[0]))).id == key[0]


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": "k1"},
        {"alg": "None", "kid": "k1"},
        {"alg": "HS384", "kid": "k1"},
        {"alg": "EdDSA", "kid": "k1"},
        {"alg": "RS256", "kid": "k1"},
        {"alg": ["HS256"], "kid": "k1"},
        {"alg": None, "kid": "k1"},
        {"kid": "k1"},
        {"alg": "HS256"},
        {"alg": "HS256", "kid": ""},
        {"alg": "HS256", "kid": "k2"},
        {"alg": "HS256", "kid": "../../../dev/null"},
        {"alg": "HS256", "kid": "k1' OR '1'='1"},
        {"alg": "HS256", "kid": "k1\u0000"},
        {"alg": "HS256", "kid": ["k1"]},
        {"alg": "HS256", "kid": {"k1": 1}},
        {"alg": "HS256", "kid": 1},
        {"alg": "HS256", "kid": "k1", "jwk": {"kty": "oct", "k": b64(SECRET)}},
        {"alg": "HS256", "kid": "k1", "jku": "http://127.0.0.1/keys"},
        {"alg": "HS256", "kid": "k1", "crit": ["exp"]},
        {"alg": "HS256", "kid": "k1", "b64": False, "crit": ["b64"]},
        {"alg": "HS256", "kid": "k1", "zip": "DEF"},
        [],
        "HS256",
        None,
        b"\xff\xfe",
        b"{" * 20_000,
    ],
)
def test_headers_that_are_refused(services, key, header: Any) -> None:
    secrets_file(services, ours())
    with pytest.raises(Unauthenticated):
        services.access.authenticate(forged(header, claims_of(services, key[0])))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ...}, {"sub": "nobody"}, {"sub": ""}, {"sub": 1}, {"sub": None}, {"sub": ["x"]},
        {"iss": ...}, {"iss": "other"}, {"iss": ["rpsd"]}, {"iss": None}, {"iss": "rpsd "},
        {"aud": ...}, {"aud": "other"}, {"aud": ["rpsd"]}, {"aud": ["other", "rpsd"]}, {"aud": []}, {"aud": None},
        {"exp": ...}, {"exp": 0}, {"exp": "soon"}, {"exp": 1e300}, {"exp": -1}, {"exp": True}, {"exp": None}, {"exp": 2**70},
        {"exp": 4_000_000_000.5}, {"exp": [4_000_000_000]},
        {"nbf": ...}, {"nbf": 4_000_000_000}, {"nbf": "now"}, {"nbf": None},
        {"iat": ...}, {"iat": 4_000_000_000}, {"iat": True}, {"iat": None},
        {"jti": ...}, {"jti": 7}, {"jti": None}, {"jti": "j" * 1000},
        {"scope": ...}, {"scope": ""}, {"scope": ["read"]}, {"scope": "read root"}, {"scope": None}, {"scope": "READ"},
    ],
)  # fmt: skip
def test_claims_that_are_refused(services, key, claims: dict[str, Any]) -> None:
    secrets_file(services, ours())
    with pytest.raises(Unauthenticated):
        services.access.authenticate(forged(HEADER, claims_of(services, key[0], **claims)))


def test_a_claim_never_gives_more_than_the_key_has(services, key) -> None:
    secrets_file(services, ours())
    assert services.access.authenticate(forged(HEADER, claims_of(services, key[0], scope="admin"))).scopes == {"read", "predict"}


def test_mutilated_ones_are_refused(services, key) -> None:
    secrets_file(services, ours())
    token = forged(HEADER, claims_of(services, key[0]))
    head, body, signature = token.split(".")
    unsigned = f"{b64(json.dumps({'alg': 'none', 'kid': 'k1'}).encode())}.{body}."
    wrong = [
        *(token[:cut] for cut in range(0, len(token), 7)), f"{head}.{body}.", f"{head}..{signature}", f".{body}.{signature}", "..", "a.b.c",
        unsigned, f"{token}.", f"{token}=", token + "A" * 9000, f" {token}", f"{token}\n", token.replace(".", "。"), f"{head}.{body}.é",
        "\ud800.b.c", f"{head}.{body}.{b64(b'x' * 32)}", forged(HEADER, claims_of(services, key[0]), b"another" * 8),
        forged(HEADER, claims_of(services, key[0]), b""), f"{head}.{body}.{signature[::-1]}", "." * 5000, "\x00.\x00.\x00",
        f"{body}.{head}.{signature}", forged(HEADER, b"[]"), forged(HEADER, b"null"), forged(HEADER, b'{"a":' * 2000),
        forged(HEADER, b"\xff"),
    ]  # fmt: skip
    for text in wrong:
        with pytest.raises(Unauthenticated):
            services.access.authenticate(text)


def test_the_public_half_of_a_pair_is_no_secret_to_sign_with(services, key) -> None:
    entry, private = ed25519()
    secrets_file(services, entry)
    raw = private.public_key().public_bytes(form.Encoding.Raw, form.PublicFormat.Raw)
    pem = private.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    for secret in (raw, pem, pem.strip(), entry["x"].encode()):
        for alg in ("HS256", "EdDSA"):
            with pytest.raises(Unauthenticated):
                services.access.authenticate(forged({"alg": alg, "kid": "e1"}, claims_of(services, key[0]), secret))


def test_a_pair_signs_and_verifies_beside_a_secret(services, key) -> None:
    entry, _ = ed25519()
    secrets_file(services, ours(), entry)
    token = services.access.token(key[1])["token"]
    head = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert head == {"alg": "EdDSA", "kid": "e1", "typ": "JWT"}
    assert services.access.authenticate(token).id == key[0]
    assert services.access.authenticate(forged(HEADER, claims_of(services, key[0]))).id == key[0]


def test_a_rotation_keeps_public_halves(services) -> None:
    entry, _ = ed25519(private=False)
    secrets_file(services, entry, ours("old"), ours("k1"))
    listed = services.access.rotate_signing("admin")
    assert [row["kid"] for row in listed[:2]] == ["e1", "k1"]
    assert [row["signs"] for row in listed] == [False, False, True]


def test_a_credential_is_read_and_never_written(services, tmp_path, clock) -> None:
    place = tmp_path / "credentials"
    place.mkdir()
    (place / "jwt").write_text(json.dumps({"keys": [ours()]}))
    (place / "jwt").chmod(0o440)
    keys = SigningKeys(services.settings.storage.secrets_dir, str(place))
    assert [key.kid for key in keys.read(clock())] == ["k1"]
    with pytest.raises(StateConflict):
        keys.rotate(clock())


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", '{"keys":{}}', '{"keys":[]}', '{"keys":[1]}', "[" * 5000,
        json.dumps({"keys": [ours(), ours()]}),
        json.dumps({"keys": [{**ours(), "kid": "../x"}]}),
        json.dumps({"keys": [{**ours(), "kid": None}]}),
        json.dumps({"keys": [{**ours(), "k": b64(b"short")}]}),
        json.dumps({"keys": [{**ours(), "k": b64(b"a" * 64)}]}),
        json.dumps({"keys": [{**ours(), "k": "?"}]}),
        json.dumps({"keys": [{**ours(), "k": None}]}),
        json.dumps({"keys": [ours(alg="none")]}),
        json.dumps({"keys": [ours(alg="HS512")]}),
        json.dumps({"keys": [ours(created="yesterday")]}),
        json.dumps({"keys": [{"kid": "r", "kty": "RSA", "n": "AQAB"}]}),
        json.dumps({"keys": [{**ed25519()[0], "x": b64(b"x" * 31)}]}),
        json.dumps({"keys": [{**ed25519()[0], "x": b64(b"x" * 32)}]}),
        json.dumps({"keys": [ed25519(private=False)[0]]}),
        json.dumps({"keys": [ours(f"k{n}") for n in range(9)]}),
    ],
)  # fmt: skip
def test_files_of_keys_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwt.json"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(BadConfig):
        parsed(file)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "jwt.json"
    file.write_text(json.dumps({"keys": [ours()]}))
    file.chmod(0o640)
    with pytest.raises(BadConfig, match="readable by others"):
        parsed(file)
