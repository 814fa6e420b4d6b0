"""What an administrator confirmed for the organization, with who and when: consents, and reviewed translations."""

from collections.abc import Iterable

from shared.domain.environment import Attestation, Environment, Texts, review_of

__all__ = ["REVIEWED_FIRST", "given_in", "review_of", "spoken_to"]

# The languages patients may be written to in besides English, each once its translation was reviewed here.
REVIEWED_FIRST = ("es", "zh-Hant-TW")


def given_in(environments: Iterable[Environment]) -> dict[str, Attestation]:
    """What the organization has confirmed, by name: the first stamp that any of its environments keeps.

    For a consent of before stamps were kept, whoever saved the environment last stands for it.
    """
    found: dict[str, Attestation] = {}
    for environment in environments:
        texts = environment.operation.texts
        stamped = {one.what for one in texts.attested}
        unstamped = (
            Attestation(version, environment.changed_by, environment.changed_at)
            for version in texts.consents
            if version not in stamped
        )
        for one in (*texts.attested, *unstamped):
            if one.what not in found or one.at < found[one.what].at:
                found[one.what] = one
    return found


def spoken_to(texts: Texts, wanted: str) -> str:
    """The language to use for a patient who reads `wanted` (BCP 47, `es-MX`): English unless theirs is on."""
    primary = wanted.strip().lower().partition("-")[0]
    return next((one for one in texts.languages if one.lower().partition("-")[0] == primary), "en")
