"""What the host computes is there at once."""

import numpy as np

from nucwsi.runtime.host import Host


def test_images_are_shown_where_they_lie_and_answers_are_those_of_the_network():
    seen = []

    def compute(images, jobs):
        seen.append((images.data_ptr(), jobs))
        return images.flatten(1) + 1

    host = Host(compute)
    images = host.stage((3, 2, 2))
    assert images.shape == (3, 2, 2)
    images[:] = np.arange(12).reshape(3, 2, 2)
    answers = host.fetch(host.launch(images[1:], ["b", "c"]))
    np.testing.assert_array_equal(answers, [[5, 6, 7, 8], [9, 10, 11, 12]])
    assert seen == [(images[1:].ctypes.data, ["b", "c"])]
