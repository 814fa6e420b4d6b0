"""How long a portal session lives, whatever happens in it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.domain.environment import EnvironmentId
from shared.domain.portal_session import IDLE, LIFE, PROOF_LIVES, EpicProof, new_session
from shared.domain.tenant import Role, TenantId

NOW = datetime(2030, 6, 1, 15, tzinfo=UTC)
ENVIRONMENT = EnvironmentId("env-1")
ROLES = frozenset({Role.AUDITOR})
PROOF = EpicProof(ENVIRONMENT, "hash-1", NOW)


@pytest.mark.parametrize(
    ("environment", "content_hash", "after", "good"),
    [
        ("env-1", "hash-1", timedelta(0), True),
        ("env-1", "hash-1", PROOF_LIVES - timedelta(seconds=1), True),
        ("env-1", "hash-1", PROOF_LIVES, False),
        ("env-1", "hash-1", -timedelta(seconds=1), False),
        ("env-2", "hash-1", timedelta(0), False),
        ("env-1", "hash-2", timedelta(0), False),
    ],
    ids=[
        "at once",
        "in time",
        "after 15 minutes",
        "before it was given",
        "another environment",
        "changed content",
    ],
)
def test_a_proof_counts_for_one_content_and_a_quarter_of_an_hour(
    environment: str, content_hash: str, after: timedelta, good: bool
) -> None:
    found = PROOF.good(environment=EnvironmentId(environment), content_hash=content_hash, now=NOW + after)

    assert found is good


class Life(RuleBasedStateMachine):
    """Clicks, waits, proofs and sign-outs in any order, compared with what a person would expect."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.session = new_session("h", tenant=TenantId("t"), object_id="o", roles=ROLES, now=NOW)
        self.signed_out = False
        self.last_click = NOW

    @rule(minutes=st.integers(1, 90))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: not self.session.over(self.now))
    @rule()
    def click(self) -> None:
        self.last_click = self.now
        if self.session.to_be_noted(self.now):
            self.session = self.session.seen(self.now)

    @precondition(lambda self: not self.session.over(self.now))
    @rule()
    def prove(self) -> None:
        self.session = self.session.proven(EpicProof(ENVIRONMENT, "hash-1", self.now))

    @rule()
    def sign_out(self) -> None:
        self.signed_out = True
        self.session = self.session.ended(self.now)

    @invariant()
    def it_ends_when_it_should_and_not_before(self) -> None:
        over = self.session.over(self.now)
        if self.signed_out or self.now - NOW >= LIFE or self.now - self.last_click >= IDLE:
            assert over
        # A click may be noted five minutes late at most, so a session never ends earlier than 55 minutes after it.
        elif self.now - self.last_click < IDLE - timedelta(minutes=5):
            assert not over

    @invariant()
    def nobody_gains_a_role_or_another_name(self) -> None:
        assert (self.session.object_id, self.session.roles) == ("o", ROLES)

    @invariant()
    def a_session_that_was_ended_proves_nothing(self) -> None:
        assert not self.signed_out or self.session.proof is None


TestLife = Life.TestCase
