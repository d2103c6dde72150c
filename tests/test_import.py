import subprocess
import sys

import pytest

import doorward


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, doorward; "
        "print([m for m in ('cryptography', 'msgspec', 'httpx2', 'fastapi') if m in sys.modules])"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"


def test_every_public_name_is_there_and_no_other():
    for name in doorward.__all__:
        assert getattr(doorward, name)
    with pytest.raises(AttributeError):
        doorward.verify_everything  # noqa: B018
