"""A set-up is done once: what was installed is recognised, what changed is installed anew, and two never meet."""

from pathlib import Path

from dev_commands.locks import try_lock
from dev_commands.set_up import fingerprint, is_stamped


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_a_stamp_is_recognised(tmp_path: Path) -> None:
    wanted = fingerprint([write(tmp_path / "requirements.txt", "hl7==0.4.5\n")])
    stamp = write(tmp_path / "stamp", wanted)

    assert is_stamped(stamp, wanted)


def test_changed_requirements_are_not_what_was_installed(tmp_path: Path) -> None:
    file = write(tmp_path / "requirements.txt", "hl7==0.4.5\n")
    before = fingerprint([file])
    write(file, "hl7==0.4.6\n")

    assert fingerprint([file]) != before


def test_another_python_needs_another_installation(tmp_path: Path) -> None:
    file = write(tmp_path / "requirements.txt", "hl7==0.4.5\n")

    assert fingerprint([file], also="python 3.11") != fingerprint([file], also="python 3.12")


def test_line_ends_of_a_checkout_do_not_matter(tmp_path: Path) -> None:
    file = write(tmp_path / "requirements.txt", "hl7==0.4.5\n")
    before = fingerprint([file])
    write(file, "hl7==0.4.5\r\n")

    assert fingerprint([file]) == before


def test_no_stamp_or_half_of_one_means_not_installed(tmp_path: Path) -> None:
    assert not is_stamped(tmp_path / "stamp", "abc")
    assert not is_stamped(write(tmp_path / "stamp", "a"), "abc")


def test_a_lock_is_held_by_one_until_it_is_closed(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "set-up.lock")
    assert first is not None
    assert try_lock(tmp_path / "set-up.lock") is None

    first.close()
    second = try_lock(tmp_path / "set-up.lock")
    assert second is not None
    second.close()
