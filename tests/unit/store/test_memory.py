"""The server's cache is a part of the memory that there is, also where a control group allows less."""

import os

import pytest

from creditsvc.store.embedded.memory import MIB, at_hand, shared_buffers

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def laid_out(root, groups, limits):
    """A system with these control groups, and limits by their files."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, limit in limits.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    return root


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/\n", {}, MACHINE),
        ("0::/\n", {"memory.max": "max"}, MACHINE),
        ("0::/\n", {"memory.max": 512 * MIB}, 512 * MIB),
        (
            "0::/system.slice/creditsvc.service\n",
            {
                "system.slice/creditsvc.service/memory.max": "max",
                "system.slice/memory.max": 256 * MIB,
                "memory.max": 512 * MIB,
            },
            256 * MIB,
        ),
        (
            "5:cpu:/x\n4:hugetlb,memory:/docker/0\n0::/\n",
            {"memory/docker/0/memory.limit_in_bytes": 128 * MIB},
            128 * MIB,
        ),
        ("4:memory:/docker/0\n", {"memory/memory.limit_in_bytes": 64 * MIB}, 64 * MIB),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": 2**63 - 4096}, MACHINE),
    ],
)
def test_the_least_of_all_limits_holds(tmp_path, groups, limits, expected):
    assert at_hand(laid_out(tmp_path, groups, limits)) == expected


def test_without_control_groups_it_is_the_machines(tmp_path):
    assert at_hand(tmp_path) == MACHINE


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (64, "128MB"),
        (512, "128MB"),
        (1_000, "240MB"),
        (2_048, "512MB"),
        (16_384, "4096MB"),
        (10**6, "4096MB"),
    ],
)
def test_it_is_a_quarter_within_bounds(memory, expected):
    assert shared_buffers(memory * MIB) == expected
