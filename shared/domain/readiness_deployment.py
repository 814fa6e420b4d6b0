"""Whether the app itself runs where and as it should: clock, keys, storage and region."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from shared.domain.geography import Geography
from shared.domain.readiness import Observer, SecretAge, State, Verdict, age
from shared.domain.words import said

_CLOCK_WARNING = timedelta(seconds=60)
_CLOCK_PROBLEM = timedelta(minutes=5)


def judged_clock(apart: timedelta, *, service: str) -> Verdict:
    """`apart` is our clock against the other's; a Date header knows whole seconds only."""
    off = abs(apart)
    seen = said(
        "This app and %(service)s are %(seconds)d seconds apart.",
        service=service,
        seconds=int(off.total_seconds()),
    )
    if off <= _CLOCK_WARNING:
        return Verdict(State.OK, seen)
    state = State.WARNING if off <= _CLOCK_PROBLEM else State.PROBLEM
    return Verdict(
        state,
        seen,
        (
            said(
                "Tokens and signatures fail when clocks differ. Restart the app, so that it gets another host."
            ),
        ),
    )


_OLD_SECRET = timedelta(days=365)


def judged_secrets(ages: Sequence[SecretAge], *, given: Collection[str], now: datetime) -> Verdict:
    """`given` names the secrets that a person has to put there; the app makes all others itself."""
    missing = [one.name for one in ages if one.made_at is None]
    lost = [one for one in missing if one in given]
    old = [
        one.name
        for one in ages
        if one.made_at is not None and one.name in given and now - one.made_at > _OLD_SECRET
    ]
    seen = said(
        "The key vault answers. %(names)s",
        names=", ".join(f"{one.name}: {age(now - one.made_at) if one.made_at else '-'}" for one in ages),
    )
    if lost:
        return Verdict(
            State.PROBLEM,
            seen,
            (said("Put these secrets into the key vault: %(names)s.", names=", ".join(lost)),),
        )
    if missing:
        return Verdict(
            State.WARNING,
            seen,
            (said("Not made yet: %(names)s. The app makes them when needed.", names=", ".join(missing)),),
        )
    if old:
        return Verdict(
            State.WARNING, seen, (said("Older than a year, change them: %(names)s.", names=", ".join(old)),)
        )
    return Verdict(State.OK, seen)


def judged_geography(pinned: Geography, *, configured: Geography) -> Verdict:
    if pinned is configured:
        return Verdict(State.OK, said("The storage is pinned to %(geography)s.", geography=pinned.value))
    return Verdict(
        State.PROBLEM,
        said(
            "The storage is pinned to %(pinned)s, the app to %(configured)s.",
            pinned=pinned.value,
            configured=configured.value,
        ),
        (said("Connect the app to the storage account of its own geography."),),
    )


def judged_region(reported: str, *, configured: str) -> Verdict:
    """`reported` is where Azure says the app runs."""
    if reported == configured:
        return Verdict(State.OK, said("Azure runs the app in %(region)s, as configured.", region=reported))
    return Verdict(
        State.PROBLEM,
        said(
            "Azure runs the app in %(reported)s, but REGION says %(configured)s.",
            reported=reported,
            configured=configured,
        ),
        (said("Set REGION to where the app runs, or move the app."),),
    )


def region_by_setting(configured: str) -> Verdict:
    return Verdict(
        State.CONFIGURED,
        said("REGION says %(region)s; Azure was not asked.", region=configured),
        (said("Set AZURE_RESOURCE_MANAGER to have it observed."),),
        observed_by=Observer.SETTING,
    )
