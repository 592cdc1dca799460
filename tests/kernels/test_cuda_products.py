"""The compiled kernels that are shipped are those of the source, and found by their device."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from fnmatch import fnmatchcase
from types import ModuleType

import pytest

from tests.kernels.host import SOURCES, HostRunner
from videohw.errors import UnsupportedConfig
from videohw.kernels import images_for, manifest
from videohw.kernels.launch import _PIXELS, _SOURCES
from videohw.kernels.settings import RGB_SOURCES, TARGET_FORMS


def builder() -> ModuleType:
    """kernels/build.py."""
    spec = importlib.util.spec_from_file_location("kernels_build", SOURCES[0].parent / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def products() -> dict[str, bytes]:
    """Every product but the manifest, as it is installed."""
    from importlib import resources

    folder = resources.files("videohw.kernels")
    return {name: folder.joinpath(name).read_bytes() for name in manifest()["products"]}


def test_the_source_is_the_one_that_was_compiled() -> None:
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in SOURCES)).hexdigest()
    assert manifest()["source"]["sha256"] == digest, "run make kernels"
    assert [each.split("/")[-1] for each in manifest()["source"]["files"]] == [
        each.name for each in SOURCES
    ]


def test_the_products_are_those_of_the_manifest() -> None:
    for name, data in products().items():
        facts = manifest()["products"][name]
        assert (len(data), hashlib.sha256(data).hexdigest()) == (facts["bytes"], facts["sha256"])


def test_the_tools_make_the_same_bytes_again() -> None:
    build = builder()
    try:
        build.check_versions()
    except build.BuildError:
        pytest.skip("the packages of the dependency group kernels are not here")
    made = build.build()
    assert {name: data for name, data in made.items() if name != "manifest.json"} == products()


def test_the_versions_of_the_tools_are_pinned_as_they_were_used() -> None:
    build = builder()
    assert manifest()["tools"] == build.TOOLS
    assert manifest()["options"] == list(build.NVRTC_OPTIONS)


def test_the_ptx_is_for_old_drivers() -> None:
    ptx = products()["nv12_rgb.ptx"].decode()
    assert re.search(r"^\.version 7\.8$", ptx, re.MULTILINE), "a driver of CUDA 11.8 takes no later"
    assert re.search(r"^\.target sm_50$", ptx, re.MULTILINE)


def test_nothing_is_compressed() -> None:
    for name, data in products().items():
        if name.endswith(".cubin"):
            assert data[:4] == b"\x7fELF"


def test_every_kernel_that_a_plan_may_name_is_in_every_product() -> None:
    wanted = {
        f"{source}_{kind}" for source in set(_SOURCES.values()) for kind in ("rgb8", "rgb4", "any")
    } | {f"{TARGET_FORMS[source]}_ycbcr" for source in RGB_SOURCES} | {
        f"ycbcr_{kind}_{one}_{other}"
        for kind in ("move", "taps", "sums") for one in (8, 16) for other in (8, 16)
    }  # fmt: skip
    assert set(manifest()["kernels"]) == wanted
    for name, data in products().items():
        for kernel in wanted:
            assert kernel.encode() in data, (name, kernel)
    assert set(_PIXELS) == set(TARGET_FORMS.values())


@pytest.mark.parametrize(
    ("capability", "first"),
    [
        ((7, 5), "sm_75"), ((8, 0), "sm_80"), ((8, 6), "sm_86"), ((8, 7), "sm_86"),
        ((8, 9), "sm_89"), ((9, 0), "sm_90"), ((10, 0), "sm_100"), ((10, 3), "sm_100"),
        ((12, 0), "sm_120"), ((12, 1), "sm_120"),
        ((5, 0), None), ((6, 1), None), ((7, 0), None), ((7, 2), None), ((11, 0), None),
        ((13, 0), None),
    ],
)  # fmt: skip
def test_images_of_a_device(capability: tuple[int, int], first: str | None) -> None:
    found = products()
    ptx = found["nv12_rgb.ptx"] + b"\0"
    cubins = [found[f"nv12_rgb.{first}.cubin"]] if first else []
    assert list(images_for(capability)) == [*cubins, ptx]


def test_a_device_older_than_the_ptx_is_refused() -> None:
    with pytest.raises(UnsupportedConfig, match=r"5\.0 and later, not for 3\.7"):
        images_for((3, 7))


def test_the_struct_is_the_one_that_the_kernels_read(host: HostRunner) -> None:
    from ctypes import sizeof

    from videohw.kernels import Conversion, Picture

    offsets = [getattr(Conversion, name).offset for name, *_ in Conversion._fields_]
    assert [*offsets, sizeof(Picture), sizeof(Conversion)] == host.layout()


def test_setuptools_is_told_of_every_product() -> None:
    config = (SOURCES[0].parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r'^"videohw\.kernels" = \[(.*?)\]', config, re.MULTILINE | re.DOTALL)
    assert listed is not None
    patterns = re.findall(r'"([^"]+)"', listed[1])
    for name in (*products(), "manifest.json"):
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name
