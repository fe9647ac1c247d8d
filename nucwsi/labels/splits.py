"""Which images train, validate and test: drawn by patient, and no patient in two splits."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable

from nucwsi.errors import DataError

#: In ascending precedence: a patient in the test split of one data set trains in no other.
SPLITS = ("train", "val", "test")


def draw_splits(patients: Iterable[str], shares: dict[str, float], seed: int) -> dict[str, str]:
    """Draw patients for validation and test.

    Patients are ordered by a checksum of seed and name, so that the draw depends neither on the
    order of the images nor on a version of a random number generator.

    Parameters
    ----------
    patients : iterable of str
        Names of patients; they may repeat.
    shares : dict of str to float
        Split -> share of the patients, 0 to 1; of a share above 0 there is at least one patient.
    seed : int
        Another seed gives another draw.

    Returns
    -------
    dict of str to str
        Patient -> split; those who are not drawn are in ``train``.

    Raises
    ------
    DataError
        If no patient remains in ``train``.

    Examples
    --------
    >>> sorted(draw_splits("abcde", {"val": 0.2, "test": 0.2}, seed=1).values())
    ['test', 'train', 'train', 'train', 'val']
    """
    order = sorted(
        set(patients), key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    )
    drawn = dict.fromkeys(order, "train")
    waiting = iter(order)
    for split, share in shares.items():
        for _ in range(max(1, round(share * len(order))) if share else 0):
            drawn[next(waiting, "")] = split
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
        One row for each image; an empty patient is unknown.

    Raises
    ------
    DataError
        If a patient is in two splits.
    """
    seen: dict[tuple[Hashable, str], str] = {}
    for dataset, patient, split in rows:
        if patient and seen.setdefault((dataset, patient), split) != split:
            raise DataError(
                f"{dataset}: patient {patient} is in {seen[dataset, patient]} and in {split};"
                " put all images of a patient into one split"
            )


def held_out(rows: list[tuple[str, str, str]]) -> list[bool]:
    """Return which images must not be used, because another data set holds their patient back.

    The published splits of different data sets are independent: a patient of the test images of one
    may be among the training images of another.

    Parameters
    ----------
    rows : list of (data set, patient, split)
        One row for each image. Patients of the same name are the same patient, in whatever data
        set, unless the name is a mere number; an empty one is unknown.

    Returns
    -------
    list of bool
        Whether the patient of each row is in a split of higher precedence elsewhere.

    Examples
    --------
    >>> held_out([("a", "TCGA-1", "train"), ("b", "TCGA-1", "test"), ("a", "TCGA-2", "train")])
    [True, False, False]
    """
    latest: dict[str, int] = {}
    for _, patient, split in rows:
        latest[patient] = max(latest.get(patient, 0), SPLITS.index(split))
    return [
        bool(patient) and not patient.isdigit() and SPLITS.index(split) < latest[patient]
        for _, patient, split in rows
    ]
