"""Whether Epic is heard and can be reached, and whether texts to patients can leave."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.domain.certificates import Urgency, accepted, expiry
from shared.domain.environment import Certificate
from shared.domain.readiness import LinkedNumber, Observer, State, Verdict, age
from shared.domain.words import Said, said


def judged_address(ok: bool, findings: Sequence[Said], url: str) -> Verdict:
    """`findings` are the sentences of what is wrong with the FHIR address, or worth reading."""
    if ok and not findings:
        return Verdict(State.OK, said("%(url)s answers and has all that is needed.", url=url))
    return Verdict(
        State.WARNING if ok else State.PROBLEM,
        said("%(url)s was asked.", url=url),
        tuple(findings),
    )


_USUAL_SILENCE = timedelta(days=7)


def judged_certificates(held: Sequence[Certificate], *, now: datetime) -> Verdict:
    """Whether one of `held` proves a sender at `now`, and when the one that stays ends."""
    renew = said(
        "Ask for a new certificate from Epic and add it next to the old one; then submit for approval."
    )
    if not held:
        return Verdict(
            State.PROBLEM,
            said("No certificate is stored, so no HL7v2 message can be accepted."),
            (said("Add the certificate that signs the HL7v2 messages."),),
        )
    ends = expiry(held, now=now)
    if not accepted(held, now=now) or ends is None:
        return Verdict(
            State.PROBLEM, said("No certificate is valid now: HL7v2 messages are refused."), (renew,)
        )
    seen = said("The certificate ends in %(days)d days.", days=ends.days)
    if ends.urgency is Urgency.FINE:
        return Verdict(State.OK, seen)
    if ends.urgency is Urgency.SOON:
        return Verdict(State.WARNING, seen, (renew,))
    if ends.urgency is Urgency.URGENT:
        return Verdict(State.WARNING, seen, (renew, said("Do it within two weeks.")))
    return Verdict(State.PROBLEM, seen, (renew, said("This is urgent: messages stop at that moment.")))


_RECORDS = said("Enter the integration records in Epic, then try one visit.")
_ASK = said("Ask the Epic analyst whether the interface or the records changed.")


def judged_last_launch(at: datetime | None, *, now: datetime) -> Verdict:
    """Launches pause over a weekend, so a silence of a week is the first that says something."""
    if at is None:
        return Verdict(State.WARNING, said("No launch from Epic yet."), (_RECORDS,))
    seen = said("The last launch was %(age)s ago.", age=age(now - at))
    return Verdict(State.OK, seen) if now - at <= _USUAL_SILENCE else Verdict(State.WARNING, seen, (_ASK,))


def judged_last_message(at: datetime | None, *, now: datetime) -> Verdict:
    """A hospital books and moves visits every working day."""
    if at is None:
        return Verdict(
            State.WARNING,
            said("No HL7v2 message from Epic yet."),
            (said("Let the Epic interface send to the address of this environment."),),
        )
    seen = said("The last HL7v2 message came %(age)s ago.", age=age(now - at))
    return Verdict(State.OK, seen) if now - at <= _USUAL_SILENCE else Verdict(State.WARNING, seen, (_ASK,))


def judged_sender(number: LinkedNumber | None) -> Verdict:
    if number is None:
        return Verdict(
            State.PROBLEM,
            said("The sender number does not belong to the Communication Services resource."),
            (said("Link the number in the texts' settings, or choose another."),),
        )
    if not number.sends:
        return Verdict(
            State.PROBLEM,
            said("The sender number belongs to the resource but may not send texts."),
            (said("Switch on outbound texts for the number in the Azure portal."),),
        )
    return Verdict(State.OK, said("The sender number belongs to the resource and may send texts."))


def verification(number: LinkedNumber | None) -> Verdict:
    """Azure has no call that tells whether carriers have verified a number, so nobody can observe it."""
    to_do = said("Look under Regulatory Documents in the Azure portal whether the verification is approved.")
    if number is not None and "tollfree" in number.kind.lower():
        seen = said("A toll-free number: carriers block it until it is verified (error 4010).")
    else:
        seen = said("Carriers may block a number that is not registered for texts.")
    return Verdict(State.CONFIGURED, seen, (to_do,), observed_by=Observer.SETTING)
