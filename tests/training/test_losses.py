"""Losses are least at the truth, and blind where nothing is known."""

import numpy as np
import torch
from samples_made import TINY, sample, whole_image

from nucwsi.models.network import NetworkMaps
from nucwsi.training.losses import (
    gradient,
    hv_loss,
    np_loss,
    teacher_loss,
    total_loss,
    tp_loss,
)

#: Teacher and student know the same four classes.
ALIKE = torch.eye(4, dtype=torch.bool)


def test_losses_are_least_at_the_truth_and_blind_where_nothing_is_known():
    batch = whole_image(sample())
    known = batch.outlined.float()
    good = torch.logit(batch.cover[:, None].clamp(1e-4, 1 - 1e-4))
    assert np_loss(good, batch.cover, known) < 0.02 < np_loss(-good, batch.cover, known)
    inside = batch.inside.float()
    assert hv_loss(batch.hv_map, batch.hv_map, inside, 1 - inside, TINY) == 0
    assert hv_loss(-batch.hv_map, batch.hv_map, inside, 1 - inside, TINY) > 1
    assert np_loss(good, 1 - batch.cover, 0 * known) < 1e-3
    logits = torch.zeros(1, 4, *batch.cover.shape[1:])
    even = (batch.share, torch.ones(4), 2.0)
    assert tp_loss(logits, 0 * batch.class_set, *even) == 0
    allowed = torch.stack([(batch.class_set >> c) & 1 for c in range(4)], 1).float()
    # Any class of the set will do.
    sure = tp_loss(20 * allowed, batch.class_set, *even)
    assert sure < 1e-3 < tp_loss(20 * (1 - allowed), batch.class_set, *even)


def test_a_student_that_answers_as_its_teacher_has_the_least_loss():
    batch = whole_image(sample())
    teacher = NetworkMaps(batch.cover[:, None], batch.hv_map, torch.full((1, 4, 96, 96), 0.25))
    same = NetworkMaps(
        torch.logit(teacher.np_map.clamp(1e-4, 1 - 1e-4)),
        torch.atanh(teacher.hv_map.clamp(-0.999, 0.999)),
        torch.zeros(1, 4, 96, 96),
    )
    other = NetworkMaps(
        same.np_map + 1, -same.hv_map, same.tp_map + torch.arange(4.0).view(1, 4, 1, 1)
    )
    assert teacher_loss(same, teacher, ALIKE, TINY) < teacher_loss(other, teacher, ALIKE, TINY) - 1


def test_a_teacher_of_fewer_classes_teaches_their_sum():
    """However a student divides what the teacher does not tell apart, its loss is the same."""
    everywhere = torch.ones(1, 1, 8, 8)
    taught = torch.tensor([0.75, 0.25]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    teacher = NetworkMaps(everywhere, torch.zeros(1, 2, 8, 8), taught)
    told = torch.tensor([[True, True, False], [False, False, True]])

    def loss(*answer):
        tp_map = torch.tensor(answer).log().view(1, 3, 1, 1).expand(1, 3, 8, 8)
        return teacher_loss(
            NetworkMaps(9 * everywhere, teacher.hv_map, tp_map), teacher, told, TINY
        )

    torch.testing.assert_close(loss(0.5, 0.25, 0.25), loss(0.05, 0.7, 0.25))
    assert loss(0.5, 0.25, 0.25) < loss(0.4, 0.2, 0.4)


def test_the_class_loss_weighs_what_the_settings_say():
    batch = whole_image(sample())
    shape = batch.cover.shape[1:]
    raw = NetworkMaps(
        torch.zeros(1, 1, *shape), torch.zeros(1, 2, *shape), torch.zeros(1, 4, *shape)
    )
    teacher = NetworkMaps(batch.cover[:, None], batch.hv_map, torch.full((1, 4, *shape), 0.25))
    alone = tp_loss(raw.tp_map, batch.class_set, batch.share, torch.ones(4), TINY.focal_gamma)

    def losses(tp_weight):
        how = TINY.model_copy(update={"tp_weight": tp_weight})
        return total_loss(raw, batch, torch.ones(4), how), teacher_loss(raw, teacher, ALIKE, how)

    (never, untaught), (labels, taught_too) = losses(0.0), losses(0.25)
    torch.testing.assert_close(labels - never, alone / 4)
    assert taught_too > untaught + 0.1


def test_the_gradient_is_taken_along_the_axis_of_its_map():
    ramp = torch.arange(16.0) / 8
    hv_map = torch.stack([ramp.expand(16, 16), ramp[:, None].expand(16, 16)])[None]
    inner = np.s_[..., 4:-4, 4:-4]
    np.testing.assert_allclose(gradient(hv_map)[inner], 1 / 8, atol=1e-6)
    np.testing.assert_allclose(gradient(hv_map, swapped=True)[inner], 0, atol=1e-6)
