"""Both architectures of local networks, as small as they can be."""

import pytest
from networks_made import SHORT, random_network
from stores import write_member

from nucwsi.models import lite


@pytest.fixture(scope="module", params=["unet", "lite2"])
def architecture(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(lite.ENCODERS, "lite2", SHORT)
        yield request.param


@pytest.fixture(scope="module")
def network(architecture):
    return random_network(architecture)


@pytest.fixture
def member(tmp_path):
    return write_member(tmp_path / "member.safetensors")
