"""What changes by nature, and what is never taken for it."""
# ruff: noqa: S108 - texts, no files are made

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.replay.normalise import (
    NORMALISERS,
    normalised,
    where_normalised,
)

U1 = "6f1c3d0e-8a52-4f0b-9c9d-0a1b2c3d4e5f"
U2 = "0b8f7a55-1111-4222-8333-944455556666"
ALL = tuple(NORMALISERS)


def same(one, other, *names) -> bool:
    return normalised(one, names)[0] == normalised(other, names)[0]


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("timestamps", "2026-01-02T03:04:05Z", "2025-11-12T13:14:15Z"),
        ("timestamps", "2026-01-02 03:04", "2025-11-12 13:14"),
        (
            "timestamps",
            "at 2026-01-02T03:04:05.123456+00:00.",
            "at 2025-11-12T13:14:15.5+02:00.",
        ),
        (
            "timestamps",
            "Fri, 02 Jan 2026 03:04:05 +0000",
            "Wed, 12 Nov 2025 13:14:15 GMT",
        ),
        ("timestamps", 1_767_323_045, 1_700_000_000),
        ("timestamps", 1_767_323_045.25, 1_700_000_000.5),
        ("timestamps", 1_767_323_045_123, 1_700_000_000_000),
        ("timestamps", 1_767_323_045_123_456_789, 1_700_000_000_000_000_000),
        ("timestamps", "1767323045", "1700000000"),
        ("uuids", f"order {U1}", f"order {U2}"),
        ("uuids", U1.upper(), U2),
        ("request_ids", "req_011CSabcdefgh", "req_022XYzabcdefg"),
        ("request_ids", "call_Ab12Cd34Ef56", "call_Zz98Yy76Xx54"),
        ("request_ids", "chatcmpl-9x8y7z6w5v", "chatcmpl-1a2b3c4d5e"),
        ("temp_paths", "/tmp/tmpab12cd_3/out.csv", "/tmp/tmpzz99yy_8/out.csv"),
        ("temp_paths", "/tmp/job-ab12cd_3", "/tmp/job-zz99yy_8"),
        ("temp_paths", "/tmp/tmp.Ab12Cd34Ef", "/tmp/tmp.Zz98Yy76Xx"),
        (
            "temp_paths",
            "/private/var/folders/a1/b2c3/T/tmpab12cd_3/x",
            "/private/var/folders/a1/b9z9/T/tmpzz12cd_3/x",
        ),
        (
            "temp_paths",
            "/tmp/pytest-of-me/pytest-12/test_a0/x",
            "/tmp/pytest-of-me/pytest-13/test_a0/x",
        ),
        (
            "temp_paths",
            r"C:\Users\me\AppData\Local\Temp\tmpab12cd_3\x",
            r"C:\Users\me\AppData\Local\Temp\tmpzz99yy_8\x",
        ),
    ],
)
def test_what_changes_by_nature_is_left_out(name, one, other):
    """By the normaliser of that name only."""
    others = [each for each in ALL if each != name]

    assert same(one, other, name)
    assert same({"a": [one]}, {"a": [other]}, name)
    assert not same(one, other, *others)
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-01-02", "2026-01-03"),
        ("v1.2026", "v1.2025"),
        (1_767_323_045, "1767323045"),
        (1_767_323_045, 1_767_323_045_000),
        (12, 13),
        (4_242_424_242, 4_242_424_243),
        (True, False),
        ("1234567", "1234568"),
        ("/tmp/report.csv", "/tmp/other.csv"),
        ("/tmp/report-final", "/tmp/report-first"),
        ("/home/tmpab12cd_3", "/home/tmpzz99yy_8"),
        ("/tmp/tmpab12cd_3/a.csv", "/tmp/tmpab12cd_3/b.csv"),
        ("call_center_one", "call_center_two"),
        ("request-handling", "request-counting"),
        ("request-number-1000000", "request-number-1000001"),
        ("sk-live0123456789", "sk-live9876543210"),
        (f"x{U1}", f"x{U2}"),
        ({U1: 1}, {U2: 1}),
        (f"a {U1}", f"b {U1}"),
        ("2026-01-02T03:04:05Z", U1),
    ],
)
def test_nothing_else_is_left_out(one, other):
    """By none of them."""
    assert not same(one, other, *ALL)


def test_distinct_values_stay_distinct():
    """They are numbered as they first appear; keys are taken by name."""
    one = {"from": U1, "to": U2, "again": U1}

    assert same(one, {"from": U2, "to": U1, "again": U2}, "uuids")
    assert same(one, {"to": U1, "again": U2, "from": U2}, "uuids")
    assert not same(one, {"from": U1, "to": U1, "again": U1}, "uuids")
    assert not same(one, {"from": U2, "to": U1, "again": U1}, "uuids")
    assert not same([f"{U1} {U2}"], [f"{U1} {U1}"], "uuids")


def test_each_place_that_differs_is_told():
    """With its path; what is equal on both sides is not."""
    _, then = normalised({"a": [U1, 1], "b": {"c": f"{U1} req_0123456789"}}, ALL)
    _, now = normalised({"a": [U2, 1], "b": {"c": f"{U2} req_0123456789"}}, ALL)

    assert [(each.path, each.normaliser) for each in where_normalised(then, now)] == [
        ("a[0]", "uuids"),
        ("b.c", "uuids"),
    ]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.from_regex(re.compile("|".join(NORMALISERS.values())), fullmatch=True),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_equal_values_stay_equal(value):
    """And without a name nothing changes."""
    assert normalised(value, ALL) == normalised(value, ALL)
    assert normalised(value, ()) == (value, ())
