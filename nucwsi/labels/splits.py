"""Which images train, validate and test: drawn by patient, and never with a patient in two."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable

from nucwsi.errors import DataError

#: In the order of precedence: who is tested on anywhere is trained on nowhere.
SPLITS = ("train", "val", "test")


def draw(patients: Iterable[str], shares: dict[str, float], seed: int) -> dict[str, str]:
    """Draw patients for validation and test.

    Patients are ordered by a checksum of seed and name, so that the draw depends neither on the
    order of the images nor on a version of a random number generator.

    Parameters
    ----------
    patients : iterable of str
        May repeat.
    shares : dict
        Split -> share of the patients; of every share above 0 there is at least one.
    seed : int

    Returns
    -------
    dict
        Patient -> split; all others remain in ``train``.

    Raises
    ------
    DataError
        If no patient remains in ``train``.

    Examples
    --------
    >>> sorted(draw("abcde", {"val": 0.2, "test": 0.2}, seed=1).values())
    ['test', 'train', 'train', 'train', 'val']
    """
    order = sorted(
        set(patients), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    )
    drawn = dict.fromkeys(order, "train")
    left = iter(order)
    for split, share in shares.items():
        for _ in range(max(1, round(share * len(order))) if share else 0):
            drawn[next(left, "")] = split
    if "train" not in drawn.values():
        raise DataError(
            f"{len(order)} patients or source images are too few to draw {' and '.join(shares)}"
            " from; lower `val_share` and `test_share`, or import more images"
        )
    return drawn


def check_leaks(rows: Iterable[tuple[Hashable, str, str]]) -> None:
    """Check that no patient is in two splits of one data set.

    Parameters
    ----------
    rows : iterable of (data set, patient, split)
        An empty patient is unknown.

    Raises
    ------
    DataError
        If one is.
    """
    seen: dict[tuple[Hashable, str], str] = {}
    for dataset, patient, split in rows:
        if patient and seen.setdefault((dataset, patient), split) != split:
            raise DataError(
                f"{dataset}: patient {patient} is in {seen[dataset, patient]} and in {split};"
                " put all images of a patient into one split"
            )


def held_out(rows: list[tuple[str, str, str]]) -> list[bool]:
    """Tell which images are off limits, because another data set holds their patient back.

    The published splits of different data sets know nothing of each other: a patient of one's test
    images may be among the training images of another.

    Parameters
    ----------
    rows : list of (data set, patient, split)
        Patients are the same wherever they have the same name; an empty one is unknown, and a mere
        number is known in its own data set only.

    Returns
    -------
    list of bool
        For each row.
    """
    latest: dict[str, int] = {}
    for _, patient, split in rows:
        latest[patient] = max(latest.get(patient, 0), SPLITS.index(split))
    return [
        bool(patient) and not patient.isdigit() and SPLITS.index(split) < latest[patient]
        for _, patient, split in rows
    ]
