"""What a body says, taken leaf by leaf without the codecs.

By JSON, the few keys that are no content, and that a stream says its texts in pieces.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import asdict

# Discriminators, positions, clocks, padding, sums of other counts.
NOISE = {
    "type",
    "object",
    "index",
    "created",
    "created_at",
    "completed_at",
    "obfuscation",
    "p",
    "sequence_number",
    "output_index",
    "content_index",
    "total_tokens",
    "totalTokenCount",
}


# A Responses answer repeats the settings of its request.
ECHO = {
    "background",
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "presence_penalty",
    "previous_response_id",
    "reasoning",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
}


USAGE = {"usage", "usageMetadata"}


_POSITIONS = ("output_index", "content_index", "index", "item_id", "thought")


def leaves(value, path=(), skip=NOISE):
    """Yield (path, leaf) of every string and number that is content."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in skip:
                yield from leaves(item, (*path, key), skip)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item, (*path, "[]"), skip)
    elif isinstance(value, str) or (
        isinstance(value, int | float) and not isinstance(value, bool)
    ):
        yield path, value


def pieces(value, path=(), skip=NOISE):
    """Yield (place, leaf), where pieces of one text have the same place."""
    if isinstance(value, dict):
        here = tuple(f"{key} {value[key]}" for key in _POSITIONS if key in value)
        for key, item in value.items():
            if key not in skip:
                yield from pieces(item, (*path, *here, key), skip)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from pieces(item, (*path, "[]"), skip)
    else:
        yield from leaves(value, path)


class Form:
    """A GenAI form, ready to be asked whether it says something."""

    def __init__(self, form) -> None:
        said = [leaf for _, leaf in leaves(asdict(form), skip=())]
        self.texts = {leaf for leaf in said if isinstance(leaf, str)}
        self.numbers = {leaf for leaf in said if not isinstance(leaf, str)}

    def says(self, leaf) -> bool:
        """Whether a leaf stands in the form, whole."""
        if not isinstance(leaf, str):
            return leaf in self.numbers or leaf == 0
        return leaf in self.texts or leaf == "model" or self._says_inside(leaf)

    def _says_inside(self, leaf: str) -> bool:
        """Whether the form says what a JSON text or a data URL holds."""
        data_url = re.fullmatch(r"data:([^;]*);base64,(.*)", leaf, re.DOTALL)
        if data_url:
            return set(data_url.groups()) <= self.texts
        try:
            value = json.loads(leaf)
        except ValueError:
            return False
        if not isinstance(value, dict | list):
            return False
        return all(self.says(inner) for _, inner in leaves(value, skip=()))

    def says_pieces(self, said) -> bool:
        """Whether the form says the texts that pieces make, in order, or each piece.

        Something else may come between two texts of one place, such as code.
        """
        texts = [each for each in said if isinstance(each, str) and each]
        if len(texts) == len([each for each in said if each]):
            while texts:
                joined = ("".join(texts[:end]) for end in range(len(texts), 0, -1))
                end = next(
                    (n for n, each in enumerate(joined) if self.says(each)), None
                )
                if end is None:
                    break
                texts = texts[len(texts) - end :]
            if not texts:
                return True
        return all(self.says(each) for each in said if each)


def lost(wire, form, skip=NOISE):
    """Return the leaves of a body that a form does not say."""
    asked = Form(form)
    return [
        (path, leaf) for path, leaf in leaves(wire, skip=skip) if not asked.says(leaf)
    ]


def lost_pieces(values, form, skip=NOISE):
    """Return the places of a stream whose text a form does not say."""
    asked = Form(form)
    places = defaultdict(list)
    for value in values:
        for place, leaf in pieces(value, skip=skip):
            places[place].append(leaf)
    return [
        (place, said) for place, said in places.items() if not asked.says_pieces(said)
    ]


def events(body: str):
    """Return the JSON values of an event stream, by its data lines alone."""
    lines = (
        line[5:].strip() for line in re.split(r"\r?\n", body) if line[:5] == "data:"
    )
    return [json.loads(line) for line in lines if line and line != "[DONE]"]
