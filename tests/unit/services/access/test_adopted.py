"""Keys of an earlier system: taken over as they are, known by their hash alone, refused and locked out like all others."""

import json

import pytest

from rpsd.core.errors import InvalidRequest, LockedOut, Unauthenticated

FIRST, SECOND = "old-desk-0123456789abcdef-0123456789", "second.key.0123456789abcdef.01234567"


def test_an_adopted_key_works_as_it_is_and_is_kept_as_a_hash(services) -> None:
    made = services.access.adopt([FIRST, SECOND, FIRST], "desk", ["read"], by="admin")
    assert [(row["name"], row["scopes"]) for row in made["keys"]] == [("desk", ["read"]), ("desk 2", ["read"])]
    principal = services.access.authenticate(FIRST)
    assert (principal.id, principal.scopes) == (made["keys"][0]["id"], {"read"})
    assert services.access.authenticate(SECOND).id == made["keys"][1]["id"]  # two dots make no token of it
    stored = services.database.read(lambda c: c.execute("SELECT * FROM key").fetchall())
    assert FIRST[:8] not in str(stored) + json.dumps(services.access.list()) + str(services.access.audit(None, 100))
    assert services.access.audit(None, 1)[0][0]["action"] == "key.adopt"


def test_adopting_again_changes_nothing(services) -> None:
    first = services.access.adopt([FIRST], "desk", ["read"], by="admin")
    again = services.access.adopt([FIRST], "desk", ["read", "train"], by="admin")
    assert (again["keys"], again["known"]) == ([], [first["keys"][0]["id"]])
    assert services.access.authenticate(FIRST).scopes == {"read"}


def test_it_ends_when_revoked(services) -> None:
    key_id = services.access.adopt([FIRST], "desk", ["read"], by="admin")["keys"][0]["id"]
    services.access.revoke(key_id, "admin")
    with pytest.raises(Unauthenticated):
        services.access.authenticate(FIRST)


def test_the_secret_of_either_kind_is_no_key_of_the_other(services) -> None:
    row, token = services.access.create("ours", ["admin"], by="admin")
    services.access.adopt([FIRST], "desk", ["read"], by="admin")
    for wrong in (token.rsplit("_", 1)[1], f"rpsd_{row['id']}_{FIRST}", f"rpsd_00000000_{FIRST}", FIRST[:-1], FIRST + "0", FIRST.upper()):
        with pytest.raises(Unauthenticated):
            services.access.authenticate(wrong)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("short", "32 to 256"),
        ("a" * 40, "guessed"),
        ("with blank 0123456789abcdef01234567", "blanks"),
        ("rpsd_" + "0123456789abcdef" * 3, "by rpsd"),
    ],
)
def test_one_that_is_unfit_keeps_all_of_them_out(services, bad: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        services.access.adopt([FIRST, bad], "desk", ["read"], by="admin")
    assert [fault.pointer for fault in caught.value.errors] == ["/keys/1"]
    assert bad not in str(caught.value.errors)
    assert services.access.list() == []


def test_guesses_are_locked_out_and_whoever_worked_there_goes_on(services) -> None:
    services.access.adopt([FIRST], "desk", ["read"], by="admin")
    services.access.authenticate(FIRST, "10.0.0.5")
    with pytest.raises(LockedOut):
        for number in range(100):
            try:
                services.access.authenticate(f"guess-{number:032d}", "10.0.0.5")
            except LockedOut:
                raise
            except Unauthenticated:
                continue
    assert services.access.authenticate(FIRST, "10.0.0.5").name == "desk"


def test_a_token_is_made_from_an_adopted_key_and_ends_with_it(services) -> None:
    key_id = services.access.adopt([FIRST], "desk", ["read"], by="admin")["keys"][0]["id"]
    token = services.access.token(FIRST)["token"]
    assert services.access.authenticate(token).id == key_id
    with pytest.raises(Unauthenticated):
        services.access.token(token)  # a token makes no token
    services.access.revoke(key_id, "admin")
    with pytest.raises(Unauthenticated):
        services.access.authenticate(token)


@pytest.mark.parametrize("ended", ["revoked", "replaced"])
def test_one_that_was_taken_away_does_not_come_back(services, clock, ended: str) -> None:
    key_id = services.access.adopt([FIRST], "desk", ["read"], by="admin")["keys"][0]["id"]
    if ended == "revoked":
        services.access.revoke(key_id, "admin")
    else:
        services.access.rotate(key_id, 0.0, by="admin")
        clock.now_ns += 1
    with pytest.raises(InvalidRequest) as refused:
        services.access.adopt([SECOND, FIRST], "desk", ["read"], by="admin")
    assert (refused.value.errors[0].pointer, "taken away" in refused.value.errors[0].reason) == ("/keys/1", True)
    for one in (FIRST, SECOND):
        with pytest.raises(Unauthenticated):
            services.access.authenticate(one)


def test_one_that_has_expired_may_be_taken_over_anew(services, clock) -> None:
    services.access.adopt([FIRST], "desk", ["read"], by="admin", expires_ns=clock.now_ns + 3600 * 10**9)
    clock.now_ns += 3601 * 10**9
    assert len(services.access.adopt([FIRST], "desk", ["read"], by="admin")["keys"]) == 1
    assert services.access.authenticate(FIRST).name == "desk"


def test_a_guess_that_begins_rightly_costs_the_same_work(services) -> None:
    """Asked for by the keyed hash of the whole: nothing compares the text itself."""
    services.access.adopt([FIRST], "desk", ["read"], by="admin")
    keyring, asked = services.access._keyring, []
    plain = keyring.hash
    keyring.hash = lambda text: asked.append(len(text)) or plain(text)
    try:
        for guess in (FIRST[:-1] + "x", "x" * len(FIRST)):
            assert keyring.verified(guess, services.access._clock()) is None
    finally:
        keyring.hash = plain
    assert asked == [len(FIRST)] * 2
