"""What the keys of model providers and other services look like."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["KEY_PREFIX", "KEY_SHAPES", "KeyShape"]


class KeyShape(NamedTuple):
    """Keys that begin alike.

    Attributes:
        name: The rule's name.
        starts: The fixed texts that they begin with.
        more: Regular expression of what else belongs to the prefix.
        body: Regular expression of the secret part.
    """

    name: str
    starts: tuple[str, ...]
    body: str
    more: str = ""


_WORDY: Final = "[A-Za-z0-9_-]"
_PLAIN: Final = "[A-Za-z0-9]"


def _starts(template: str, letters: str) -> tuple[str, ...]:
    return tuple(template.replace("*", letter) for letter in letters)


KEY_SHAPES: Final[tuple[KeyShape, ...]] = (
    KeyShape(
        "model-provider-key",
        ("sk-",),
        # A digit somewhere: `sk-` also begins words such as CSS class names.
        rf"(?={_WORDY}{{0,40}}[0-9]){_WORDY}{{15,}}{_PLAIN}",
        r"(?:ant-[a-z]{3,5}\d\d-|proj-|svcacct-|admin-|or-v1-|lf-)?",
    ),
    KeyShape("langfuse-key", ("pk-lf-",), rf"{_WORDY}{{15,}}{_PLAIN}"),
    KeyShape("google-api-key", ("AIza",), rf"{_WORDY}{{35}}"),
    KeyShape("google-oauth-token", ("ya29.",), rf"{_WORDY}{{20,}}"),
    KeyShape("google-oauth-secret", ("GOCSPX-",), rf"{_WORDY}{{20,}}"),
    KeyShape("aws-access-key-id", ("AKIA", "ASIA"), rf"[A-Z0-9]{{16}}(?!{_PLAIN})"),
    KeyShape("github-token", _starts("gh*_", "pousr"), rf"{_PLAIN}{{30,255}}"),
    KeyShape("github-fine-grained-token", ("github_pat_",), r"[A-Za-z0-9_]{22,255}"),
    KeyShape("gitlab-token", ("glpat-", "gldt-", "glrt-"), rf"{_WORDY}{{20,}}"),
    KeyShape("slack-token", _starts("xox*-", "abeoprs"), r"[A-Za-z0-9-]{10,}"),
    KeyShape("slack-app-token", ("xapp-",), r"[A-Za-z0-9-]{20,}"),
    KeyShape(
        "stripe-key",
        ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_"),
        rf"{_PLAIN}{{16,}}",
    ),
    KeyShape("webhook-secret", ("whsec_",), r"[A-Za-z0-9+/]{20,}"),
    KeyShape("huggingface-token", ("hf_", "api_org_"), rf"{_PLAIN}{{30,}}"),
    KeyShape("groq-key", ("gsk_",), rf"{_PLAIN}{{30,}}"),
    KeyShape("xai-key", ("xai-",), rf"{_PLAIN}{{40,}}"),
    KeyShape("perplexity-key", ("pplx-",), rf"{_PLAIN}{{30,}}"),
    KeyShape("replicate-token", ("r8_",), rf"{_PLAIN}{{30,}}"),
    KeyShape("tavily-key", ("tvly-",), rf"{_WORDY}{{16,}}"),
    KeyShape("nvidia-key", ("nvapi-",), rf"{_WORDY}{{40,}}"),
    KeyShape("fireworks-key", ("fw_",), rf"{_PLAIN}{{20,}}"),
    KeyShape("pinecone-key", ("pcsk_",), r"[A-Za-z0-9_]{30,}"),
    KeyShape("langsmith-key", ("lsv2_pt_", "lsv2_sk_"), r"[a-f0-9_]{32,}"),
    KeyShape("npm-token", ("npm_",), rf"{_PLAIN}{{36}}"),
    KeyShape("pypi-token", ("pypi-",), rf"{_WORDY}{{50,}}"),
    KeyShape("sendgrid-key", ("SG.",), rf"{_WORDY}{{16,}}\.{_WORDY}{{16,}}"),
    KeyShape("digitalocean-token", ("dop_v1_", "doo_v1_"), r"[a-f0-9]{40,}"),
    KeyShape("databricks-token", ("dapi",), r"[a-f0-9]{32}"),
    KeyShape("shopify-token", ("shpat_", "shpss_", "shpca_"), r"[a-fA-F0-9]{32}"),
    KeyShape(
        "grafana-token", ("glsa_", "glc_"), r"[A-Za-z0-9_]{11}[A-Za-z0-9+/=_]{19,}"
    ),
    KeyShape("vault-token", ("hvs.", "hvb."), rf"{_WORDY}{{24,}}"),
    KeyShape("linear-key", ("lin_api_",), rf"{_PLAIN}{{30,}}"),
    KeyShape("notion-token", ("ntn_",), rf"{_PLAIN}{{30,}}"),
    KeyShape("supabase-token", ("sbp_",), r"[a-f0-9]{40}"),
)

KEY_PREFIX: Final = "|".join(
    sorted(
        (
            re.escape(start) + shape.more
            for shape in KEY_SHAPES
            for start in shape.starts
        ),
        key=len,
        reverse=True,
    ),
)
"""Regular expression of every prefix; keys keep theirs when they are redacted."""
