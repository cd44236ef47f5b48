"""The page that compares runs: whole, harmless whatever stands in the runs, small."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agent_replay.model.call import Call, Outcome, RecordedException
from otel_agent_replay.model.messages import (
    Message,
    ModelRequest,
    ModelResponse,
    Usage,
)
from otel_agent_replay.model.payload import Chunk, HttpRequest, HttpResponse, dump_json
from otel_agent_replay.model.run import ParentRun, Run
from otel_agent_replay.model.step import Step
from otel_agent_replay.replay.compare import compare_many
from otel_agent_replay.web.comparison_page import comparison_page
from tests.web import browser

VOID = {"meta", "br", "hr", "img", "input", "link"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer"),
    *("section", "h1", "h2", "h3", "p", "a", "div", "span", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "pre", "code", "del", "ins"),
    *("dl", "dt", "dd", "ol", "li"),
}
ATTACKS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</pre></details></title></style><script>document.title='owned'</script>",
    "\"><svg onload=document.title='owned'>",
    "' onmouseover='document.title=1' x='",
    "<a href=\"javascript:document.title='owned'\">x</a>",
    "<meta http-equiv=refresh content='0;url=data:text/html,owned'>",
    "<style>body{display:none}</style><link rel=stylesheet href=x>",
    "<!--<script>",
    "]]><iframe srcdoc='<script>parent.document.title=1</script>'></iframe>",
    "&lt;script&gt;&#x3c;script>",
    "\u202egnp.exe\x00\x1b[31m\ud800",
)


def tool(index, name, inputs, **outcome):
    call = Call(kind="tool", name=name, inputs=inputs)
    return Step(
        index=index,
        span_id=f"{name}{index}",
        call=call,
        outcome=Outcome(**outcome),
        start_ns=index * 10,
        end_ns=index * 10 + 5,
    )


def model(index, text, answer):
    body = dump_json({"messages": [{"role": "user", "content": text}]}).encode(
        errors="replace"
    )
    said = Message(role="assistant", parts=({"type": "text", "content": answer},))
    return Step(
        index=index,
        span_id=f"m{index}",
        call=Call(
            kind="model",
            name="POST h/v1",
            request=HttpRequest(method="POST", url=f"https://h/v1?{text}", body=body),
        ),
        outcome=Outcome(
            response=HttpResponse(
                status=200, chunks=(Chunk(data=answer.encode(errors="replace")),)
            )
        ),
        request=ModelRequest(
            operation="chat",
            provider=text,
            model=text,
            messages=(Message(role=text, parts=({"type": "text", "content": text},)),),
        ),
        response=ModelResponse(
            messages=(said,),
            finish_reasons=(text,),
            usage=Usage(input_tokens=3, output_tokens=4),
        ),
        cost_usd=0.01,
    )


def state(index, value):
    call = Call(kind="checkpoint", name="state", inputs={"state": value})
    return Step(index=index, span_id=f"s{index}", call=call, outcome=Outcome())


def run(*steps, run_id="r", **fields):
    return Run(run_id=run_id, trace_id="t", steps=steps, **fields)


def hostile(evil, other):
    """Return two runs that hold a text in every field that holds text."""
    error = RecordedException(type_name=evil, message=evil, stacktrace=evil)
    return [
        run(
            tool(0, "same", {evil: evil}, value={evil: [evil]}),
            tool(1, evil, {evil: evil + side}, value=evil + side),
            model(2, evil + side, evil + side),
            tool(3, evil, {"a": evil + side}, error=error),
            state(4, {evil: evil + side}),
            tool(5, evil + side, {evil: evil}, items=(evil,)),
            run_id=evil + side,
            agent_name=evil,
            agent_version=evil,
            user=evil,
            status=evil,
            parent=ParentRun(run_id=evil, relation="fork", step=1),
            input={evil: evil + side},
            outcome=Outcome(value=evil + side) if side else Outcome(error=error),
        )
        for side in ("", other)
    ]


class Reader(HTMLParser):
    """Reads a page: its elements, attributes and text; every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.names.append(name)
        self.attributes += [(name, key, value) for key, value in attributes]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, text):
        self.texts.append(text)


def assert_harmless(page: str) -> Reader:
    """Nothing of the data became an element or an attribute."""
    read = Reader(page)
    assert set(read.names) <= ALLOWED
    assert read.names.count("style") == read.names.count("title") == 1
    for name, key, value in read.attributes:
        assert not key.startswith("on")
        assert key not in {"src", "style", "action", "srcdoc"}
        assert key != "href" or re.fullmatch(r"#[a-z0-9-]+", value or "")
        assert key != "id" or re.fullmatch(r"[a-z0-9-]+", value or "")
        assert key != "class" or re.fullmatch(r"[a-z ]+", value or ""), name
    return read


@pytest.mark.parametrize("evil", ATTACKS)
def test_text_of_a_run_stays_text(evil):
    """Whatever stands in whichever field, it becomes no element and no attribute."""
    a, b = hostile(evil, "?")

    page = comparison_page(compare_many(a, b))

    read = assert_harmless(page)
    assert page.encode()
    shown = "".join(read.texts)
    if evil.startswith("<script>"):
        assert evil in shown
    assert not set("\u202e\x00\x1b") & set(shown)


@given(st.text(max_size=30), st.text(min_size=1, max_size=5))
def test_any_text_stays_text(evil, other):
    """The same for any text there is."""
    assert_harmless(comparison_page(compare_many(*hostile(evil, other))))


def test_the_page_stands_alone_and_forbids_everything():
    """No address in it, no script; the policy allows this style only, by its hash."""
    page = comparison_page(compare_many(*hostile("x", "y")))

    read = assert_harmless(page)
    metas = {v for n, k, v in read.attributes if n == "meta" and k == "content"}
    (policy,) = (each for each in metas if each and "default-src" in each)
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    assert "url(" not in style
    assert "@import" not in style
    assert "width=device-width, initial-scale=1" in metas


def test_what_a_colleague_reads_first():
    """The verdict, both runs, what changed in answer, state, tools and figures."""
    a = run(
        tool(0, "search", {"q": 1}, value=[]),
        state(1, {"tries": 1}),
        tool(2, "search", {"q": 2}, value="old words here"),
        run_id="a" * 32,
        agent_name="support",
        outcome=Outcome(value="Ninety days."),
        end_ns=2_000_000_000,
    )
    b = run(
        tool(0, "search", {"q": 1}, value=[]),
        state(1, {"tries": 1}),
        tool(2, "search", {"q": 2}, value="old words there"),
        run_id="b" * 32,
        agent_name="support",
        parent=ParentRun(run_id="a" * 32, relation="fork", step=1),
        outcome=Outcome(value="Thirty days."),
        end_ns=1_000_000_000,
    )

    page = comparison_page(compare_many(a, b))

    text = "".join(Reader(page).texts)
    assert "2 runs of support compared" in text
    assert "The first step that differs is step 2 of A, search." in text
    assert "fork of A after step 1" in text
    assert "1.0 s -50 %" in text
    assert "2 steps at the beginning" in text
    assert "old words <del>here</del>" in page
    assert "old words <ins>there</ins>" in page
    assert "outcome.value" in text
    same = comparison_page(compare_many(a, a))
    assert "Steps, inputs and answers are the same." in "".join(Reader(same).texts)


def test_a_fork_tree_stands_in_columns():
    """One page for many runs; the shared beginning is one row."""
    shared = [tool(n, "look", {"n": n}, value=n) for n in range(5)]
    runs = [
        run(*shared, tool(5, "end", {"way": way}), run_id=way * 8, agent_name="x")
        for way in ("a", "b", "c")
    ]

    text = "".join(Reader(comparison_page(compare_many(*runs))).texts)

    assert "5 steps at the beginning" in text
    assert "A 5 B 5 C 5" in text
    assert "C differs from A" in text


def test_a_page_is_never_huge():
    """Long values, many fields and many rows are cut, and that is said."""
    long = [
        tool(n, f"t{n % 7}", {f"k{m}": f"{n} {m} " + "x" * 9_000 for m in range(40)})
        for n in range(300)
    ]
    other = [
        tool(n, f"t{n % 7}", {f"k{m}": f"{n} {m} " + "y" * 9_000 for m in range(40)})
        for n in range(300)
    ]

    page = comparison_page(compare_many(run(*long), run(*other)))

    text = "".join(Reader(page).texts)
    assert len(page) < 8_000_000
    assert "more characters are left out" in text
    assert "more fields differ and are left out." in text
    assert re.search(r"\d+ more rows left out", text)


def test_long_texts_of_few_words_are_no_trouble():
    """What differs in them is found without trying every word with every other."""

    def steps(seed):
        few = ["a", "the", "of", "page", "days"]
        words = Random(seed).choices(few, k=400)  # noqa: S311 - sample text
        return [
            tool(n, "t", {f"k{m}": " ".join(words[m:]) for m in range(25)})
            for n in range(300)
        ]

    page = comparison_page(compare_many(run(*steps(1)), run(*steps(2))))

    assert "left out" in page


@pytest.fixture
def profile(tmp_path):
    """Return a folder for the browser, where there is one."""
    if browser.FOUND is None:
        pytest.skip(browser.ABSENT)
    return tmp_path / "profile"


@pytest.fixture
def visits():
    """Return the address of a server, and what was asked of it."""
    asked: list[str] = []

    class Visited(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Visited) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def planted(address: str) -> str:
    """Return HTML that runs scripts and loads things, wherever it gets through."""
    return "".join(
        (
            *ATTACKS[:-1],
            f"<img src='{address}/img'><script src='{address}/js'></script>",
            f"<link rel=stylesheet href='{address}/css'>",
            f"<iframe src='{address}/frame'></iframe>",
        )
    )


def test_no_script_runs_in_a_browser(profile, tmp_path, visits):
    """A real browser shows the page; no planted script ran and nothing was loaded."""
    address, asked = visits
    page = tmp_path / "page.html"
    runs = hostile(planted(address), "?")
    page.write_text(comparison_page(compare_many(*runs)), encoding="utf-8")

    shown = browser.dom(page, profile)

    assert "owned</title>" not in shown
    assert "compared</title>" in shown
    assert_harmless(shown)
    assert asked == []


def test_the_policy_holds_even_where_html_gets_through(profile, tmp_path, visits):
    """The same texts as HTML run and load in a bare page, and do neither in ours."""
    address, asked = visits
    evil = (
        "<script>document.title='owned'</script>"
        f"<img src='{address}/img'><script src='{address}/js'></script>"
    )
    ours = comparison_page(compare_many(run(), run()))
    bare, kept = tmp_path / "bare.html", tmp_path / "kept.html"
    bare.write_text(f"<!DOCTYPE html><title>bare</title>{evil}", encoding="utf-8")
    kept.write_text(ours.replace("</body>", f"{evil}</body>"), encoding="utf-8")

    seen = browser.dom(bare, profile)
    loaded = sorted(asked)
    asked.clear()
    safe = browser.dom(kept, profile)

    assert "<title>owned</title>" in seen
    assert loaded == ["/img", "/js"]
    assert "<title>owned</title>" not in safe
    assert asked == []


def test_it_is_drawn_for_a_desk_and_a_phone(profile, tmp_path):
    """The style is in force: the two widths give pictures that are not empty."""
    page = tmp_path / "page.html"
    page.write_text(comparison_page(compare_many(*hostile("x", "y"))))

    wide = browser.screenshot(page, profile)
    narrow = browser.screenshot(page, profile, width=500)

    assert wide.startswith(b"\x89PNG")
    assert narrow.startswith(b"\x89PNG")
    assert min(len(wide), len(narrow)) > 10_000
