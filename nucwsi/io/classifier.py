"""The file of a classifier: JSON of plain numbers, and a card beside it for people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from nucwsi.errors import CheckpointError
from nucwsi.io.inputs import check_file
from nucwsi.io.stores.publish import published
from nucwsi.teaching.classifier import Classifier

#: A file of a hundred classes takes less.
_MOST_BYTES = 16 << 20


def card_path(path: Path) -> Path:
    """Return where the card of a classifier lies.

    Parameters
    ----------
    path : pathlib.Path
        File of the classifier.

    Returns
    -------
    pathlib.Path
        Of Markdown, beside it.
    """
    return path.with_name(f"{path.name}.md")


def write_classifier(path: Path, classifier: Classifier, card: str) -> None:
    """Write a classifier and its card.

    Parameters
    ----------
    path : pathlib.Path
        File of the classifier, of any name.
    classifier : Classifier
        What to write.
    card : str
        What people shall read of it, as Markdown.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    with published(card_path(path)) as aside:
        aside.write_text(card, "utf-8")
    with published(path) as aside:
        text = json.dumps(classifier.to_json(), indent=1, ensure_ascii=False)
        aside.write_text(text + "\n", "utf-8")


def read_classifier(path: Path) -> tuple[Classifier, str]:
    """Read a classifier.

    Parameters
    ----------
    path : pathlib.Path
        File of the classifier.

    Returns
    -------
    classifier : Classifier
        Every part checked. Nothing of the file is executed.
    checksum : str
        First 32 hexadecimal digits of the file's SHA-256.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, no classifier, or of a newer nucwsi.
    """
    try:
        check_file(path)
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"has {path.stat().st_size:,} bytes, expected {_MOST_BYTES:,} at most")
        data = path.read_bytes()
        document = json.loads(data.decode("utf-8"))
        return Classifier.from_json(document), hashlib.sha256(data).hexdigest()[:32]
    except FileNotFoundError:
        raise CheckpointError(f"{path}: does not exist; make it with `nucwsi teach`") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: is not a classifier, or is damaged ({error}); make it with `nucwsi teach`"
        ) from None
