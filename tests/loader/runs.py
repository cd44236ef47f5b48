"""Runs to load, and what their steps say."""

from __future__ import annotations


def tree(run):
    return [(step.call.name, step.parent) for step in run.steps]


def texts(run):
    return [gap.text for gap in run.gaps]
