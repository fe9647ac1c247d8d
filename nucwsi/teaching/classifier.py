"""A taught classifier: plain numbers, which need no library to be applied and no trust to be read.

It is a multinomial logistic regression. Gradient boosting was tried on the images of docs/teach.md:
it was no better on the image of the answers, and worse on images of other patients.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nucwsi.classes import check_known, check_names
from nucwsi.documents import check_format, first_fault
from nucwsi.facts import Classes, Name

#: Rises whenever a key is added, removed or changes its meaning. Readers refuse a newer one.
FORMAT_VERSION = 1

#: Features farther than so many standard deviations from their mean count as if they were so far:
#: an odd nucleus must not outweigh everything.
_FARTHEST = 5.0

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassFigures(_Record):
    """What cross-validation said of one class.

    Attributes
    ----------
    labels : int
        Answers that it was taught with.
    recall : float
        Share of its nuclei that are found, 0 to 1.
    precision : float or None
        Share of the nuclei called so that are right; None where none was called so.
    """

    labels: int = Field(ge=0)
    recall: float = Field(ge=0, le=1)
    precision: float | None = Field(ge=0, le=1)


class Figures(_Record):
    """What cross-validation said of a classifier: shares of nuclei, 0 to 1, weighed as drawn.

    Attributes
    ----------
    accuracy, network, commonest : float
        Share that is right by the classifier, by the network's own class, and where every nucleus
        is called by the commonest class.
    mean_recall, network_mean_recall : float
        Mean over classes of the share that is found.
    ahead, ahead_se : float
        How far the classifier is ahead of the network, and the standard error of that.
    log_loss : float
        Mean negative logarithm of the probability of the true class.
    temperature : float
        By which the logits were divided: above 1, the classifier was too sure.
    n_folds : int
        Parts that were left out, one after the other.
    n_slides : int
        Slides with answers.
    over : str
        What was left out: ``slides``, or ``blocks`` of tissue.
    classes : dict
        Class, and ``(network)`` for what keeps the network's class -> its figures.
    """

    accuracy: float = Field(ge=0, le=1)
    network: float = Field(ge=0, le=1)
    commonest: float = Field(ge=0, le=1)
    mean_recall: float = Field(ge=0, le=1)
    network_mean_recall: float = Field(ge=0, le=1)
    ahead: float = Field(ge=-1, le=1)
    ahead_se: float = Field(ge=0)
    log_loss: float = Field(ge=0)
    temperature: _Positive
    n_folds: int = Field(ge=2)
    n_slides: int = Field(ge=1)
    over: Literal["slides", "blocks"]
    classes: dict[str, ClassFigures]


class Classifier(_Record):
    """K classes that were taught, told apart by F features.

    Attributes
    ----------
    kind : str
        ``nucwsi classifier``.
    name : str
        Its own name.
    classes : tuple of str
        The K classes.
    extends : bool
        Whether nuclei may be of none of them, and then keep the network's class.
    network_classes : tuple of str
        Classes of the network that it was taught beside.
    features : tuple of str
        Names of the F features.
    mean, scale : tuple of float
        Of each feature over the nuclei that it was taught with.
    weights : tuple of tuple of float
        (K, F) or, if it extends, (K + 1, F): the last row is of what is none of the classes.
    bias : tuple of float
        One for each row.
    strength : float
        Regularisation that cross-validation chose: scikit-learn's ``C``.
    confusion : dict
        Class -> how far its count is off because nuclei are taken for another class all over a
        slide; see `Miscount`.
    figures : Figures
        What cross-validation said of it.
    not_claimed : dict
        Class that had too few answers -> their number.
    warnings : tuple of str
        What makes it less than it seems, one line each.
    made_by : str
        Version of nucwsi.
    version : int
        Format of this record.
    """

    kind: Literal["nucwsi classifier"] = "nucwsi classifier"
    name: Name
    classes: Classes = Field(min_length=1)
    extends: bool
    network_classes: Classes
    features: tuple[Name, ...] = Field(min_length=1)
    mean: tuple[_Number, ...]
    scale: tuple[_Positive, ...]
    weights: tuple[tuple[_Number, ...], ...]
    bias: tuple[_Number, ...]
    strength: _Positive
    confusion: dict[Name, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    figures: Figures
    not_claimed: dict[str, int] = {}
    warnings: tuple[str, ...] = ()
    made_by: str
    version: int = FORMAT_VERSION

    @model_validator(mode="after")
    def _agree(self) -> Self:
        rows, columns = len(self.classes) + self.extends, len(self.features)
        if rows < 2 or len(self.weights) != rows or len(self.bias) != rows:
            raise ValueError(f"`weights` and `bias` have not {max(rows, 2)} rows each")
        sizes = {len(row) for row in self.weights} | {len(self.mean), len(self.scale)}
        if sizes != {columns}:
            raise ValueError(f"`weights`, `mean` and `scale` have not {columns} columns each")
        check_names(self.final_classes(self.network_classes), ())
        check_known("confusion", self.confusion, self.classes)
        lacking = [name for name in self.classes if name not in self.figures.classes]
        if lacking:
            raise ValueError(f"`figures.classes` lacks {lacking[0]!r}")
        return self

    def final_classes(self, network: tuple[str, ...]) -> tuple[str, ...]:
        """Return the classes of the nuclei that it is applied to.

        Parameters
        ----------
        network : tuple of str
            Classes of their network.

        Returns
        -------
        tuple of str
            Those that were taught; if it extends, after those of the network.
        """
        return (*network, *self.classes) if self.extends else self.classes

    def shares(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return how probable each class is.

        Parameters
        ----------
        values : (N, F) ndarray of float
            Features of N nuclei, those of `features`.

        Returns
        -------
        (N, K) or (N, K + 1) ndarray of float64
            Rows add up to 1; the last column, if it extends, is that none of the classes is right.
        """
        known = standardised(values, np.array(self.mean), np.array(self.scale))
        # Unlike a product of matrices, this has the same digits however many nuclei there are.
        logits = np.einsum("nf,kf->nk", known, np.array(self.weights)) + np.array(self.bias)
        return softmax(logits / self.figures.temperature)

    def combined(
        self, shares: NDArray[np.float64], network: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Return the class probabilities of nuclei after the network has had its say.

        Parameters
        ----------
        shares : (N, K) or (N, K + 1) ndarray of float64
            What `shares` returned.
        network : (N, D) ndarray of float
            Class probabilities of the network.

        Returns
        -------
        (N, C) ndarray of float32
            Of `final_classes`; rows add up to 1. What is none of the taught classes is shared out
            among those of the network as the network does.
        """
        if not self.extends:
            return shares.astype(np.float32)
        total = np.maximum(network.sum(axis=1, keepdims=True), 1e-12)
        rest = shares[:, -1:] * (network / total)
        return np.concatenate([rest, shares[:, :-1]], axis=1).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the classifier as plain JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Any) -> Classifier:
        """Read what `to_json` gave.

        Parameters
        ----------
        document : Any
            The untrusted value that a file holds.

        Returns
        -------
        Classifier
            With all types checked.

        Raises
        ------
        ValueError
            If it is no classifier, its parts do not fit, or it is of a newer format.
        """
        if not isinstance(document, dict) or document.get("kind") != "nucwsi classifier":
            raise ValueError("holds no classifier")
        check_format(document, FORMAT_VERSION)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None


def standardised(
    values: NDArray[np.floating], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bring features to a common scale.

    Parameters
    ----------
    values : (N, F) ndarray of float
        Features.
    mean, scale : (F,) ndarray of float64
        Mean and standard deviation of each.

    Returns
    -------
    (N, F) ndarray of float64
        -5 to 5.
    """
    return np.clip((values - mean) / scale, -_FARTHEST, _FARTHEST)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits into probabilities.

    Parameters
    ----------
    logits : (N, K) ndarray of float64
        May be minus infinity, but not all of a row.

    Returns
    -------
    (N, K) ndarray of float64
        Rows add up to 1.
    """
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)
