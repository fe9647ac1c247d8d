"""How far counts can be trusted: what is kept of an image, and what is measured on many."""

from dataclasses import replace

import numpy as np
import pytest
from samples_made import FIXED, perfect, sample

from nucwsi.nuclei.domain import MIN_NUCLEI
from nucwsi.phantom import CLASSES
from nucwsi.training.labelled_nuclei import find_nuclei
from nucwsi.training.trust import Seen, domain_of, look_of, measure_trust, see


@pytest.fixture(scope="module")
def seen():
    """Images of two sources with 30 nuclei each, as a perfect network sees them, twenty of each."""
    one = see(sample(), perfect(sample()), FIXED)
    rng = np.random.default_rng(0)
    images = []
    for number in range(40):
        code = rng.integers(0, 4, 30)
        nuclei = replace(
            one.nuclei,
            class_code=code.astype(np.uint8),
            class_probabilities=(0.1 + 0.6 * np.eye(4))[code].astype(np.float32),
            contrasts=np.empty((30, 0), np.float32),
            area_px=rng.lognormal(5, 0.3, 30),
        )
        truth = replace(
            one.sample,
            name=f"{'ab'[number % 2]}/{number}",
            allowed=(1 << rng.permutation(code)).astype(np.uint8),
        )
        colour = np.array([100, *rng.integers(40_000, 60_000, 3)])
        images.append(Seen(truth, nuclei, colour))
    return images


def test_of_an_image_its_counts_and_colours_are_kept_but_no_pixels():
    truth = sample()
    maps = perfect(truth)
    kept = see(truth, maps, FIXED)
    assert len(kept.nuclei.class_code) == len(find_nuclei(maps, FIXED, truth).class_code) > 30
    assert kept.sample.class_counts(4).tolist() == truth.class_counts(4).tolist()
    assert not any(
        getattr(kept.sample, name).size
        for name in ("image", "instances", "nucleus", "known", "hv_map", "class_set", "owner")
    )
    assert kept.nuclei.labels.size == 0
    density = -np.log((truth.image[truth.instances > 0] + 1.0) / 256).mean(axis=0)
    assert kept.colour[0] == (maps.np_map >= 128).sum()
    np.testing.assert_allclose(kept.colour[1:] / kept.colour[0] / 1000, density, rtol=1e-3)


def test_areas_are_those_of_the_nuclei_in_um2():
    truth = sample(side=160)
    kept = see(truth, perfect(truth), FIXED)
    px = np.bincount(truth.instances.ravel())[1:]
    assert len(kept.nuclei.area_px) == len(px)
    np.testing.assert_allclose(np.sort(kept.nuclei.area_px), np.sort(px), rtol=0.2)
    look = look_of(kept, 0.5)
    if len(px) >= MIN_NUCLEI:
        assert look[3] == pytest.approx(np.log(kept.nuclei.area_px * 0.25).mean())
    else:
        assert np.isnan(look).all()


def test_counts_are_fitted_and_sources_that_were_left_out_are_told(seen):
    trust = measure_trust(seen[:20], seen, CLASSES, 0.5)
    assert trust.about["images"] == {"a": 10, "b": 10}
    assert set(trust.about["coverage"]) == {"a", "b"}
    assert set(trust.miscount.confusion) == set(CLASSES)
    assert all(0.5 <= share <= 1 for share in trust.about["coverage"]["a"].values())
    looks = np.array([look_of(one, 0.5) for one in seen])
    assert (trust.domain.distance(looks) <= 1).mean() >= 0.9


def test_few_images_and_unlabelled_ones_tell_nothing(seen):
    assert domain_of(seen[:19], 0.5) is None
    assert domain_of(seen[:20], 0.5) is not None
    assert domain_of([], 0.5) is None
    alike = [
        one._replace(sample=replace(one.sample, allowed=np.full(30, 1, np.uint8))) for one in seen
    ]
    trust = measure_trust(alike, [], CLASSES, 0.5)
    assert trust == (None, None, {"images": {}, "coverage": {}})


def test_a_source_of_many_images_does_not_make_the_domain(seen):
    """A hundred images of the one source and twenty of the other, whose stain is another."""
    pale = [one._replace(colour=one.colour // [1, 2, 2, 2]) for one in seen[1::2]]
    domain = domain_of([*seen[0::2] * 5, *pale], 0.5)
    middle = [np.mean([look_of(one, 0.5)[0] for one in part]) for part in (seen[0::2], pale)]
    share = (domain.mean[0] - middle[0]) / (middle[1] - middle[0])
    # 20 * 50 / 70 against 100 * 50 / 150.
    assert share == pytest.approx(0.3, abs=0.01)
