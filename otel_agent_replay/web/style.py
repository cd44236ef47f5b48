"""How the pages look: light and dark, on a phone, on paper."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root {
  --back: #fff; --front: #1c2127; --soft: #5c6672; --line: #d9dee4; --panel: #f5f7f9;
  --link: #0b5cad; --less: #b3261e; --less-back: #fdecea; --more: #14692f;
  --more-back: #e5f5ea; --changed: #8a5a00; --changed-back: #fff5dd;
  --model: #8a2a9b; --tool: #0c6b78; --other: #35507a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14181d; --front: #e4e8ec; --soft: #9aa5b1; --line: #313944;
    --panel: #1c2229; --link: #7db8f5; --less: #ff9d94; --less-back: #43211f;
    --more: #7fd79a; --more-back: #17361f; --changed: #f0c05e; --changed-back: #3a2f14;
    --model: #dd9bea; --tool: #74cbd8; --other: #a6c0ec;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 75rem; color: var(--front);
  background: var(--back); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: .95rem; margin: 1rem 0 .4rem; }
p { margin: .4rem 0; }
a { color: var(--link); }
.soft, .note { color: var(--soft); }
.note { font-size: .875rem; }
.verdict {
  margin: 1rem 0; padding: .7rem 1rem; border-left: .3rem solid var(--changed);
  background: var(--changed-back); border-radius: 0 .4rem .4rem 0;
}
.verdict.same { border-color: var(--more); background: var(--more-back); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: min(100%, 40rem); }
th, td {
  padding: .4rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line);
}
thead th { font-size: .875rem; }
th[scope=row] { font-weight: 500; color: var(--soft); white-space: nowrap; }
td { min-width: 8rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { min-width: 5rem; }
.letter {
  display: inline-block; min-width: 1.5em; padding: 0 .3em; margin-right: .3em;
  border-radius: .3em; text-align: center; font-weight: 600; background: var(--panel);
  border: 1px solid var(--line);
}
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
pre {
  margin: .2rem 0; padding: .5rem .7rem; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--panel); border-radius: .4rem; max-height: 24rem; overflow-y: auto;
}
details { border: 1px solid var(--line); border-radius: .5rem; margin: .35rem 0; }
details[open] > summary { border-bottom: 1px solid var(--line); }
summary {
  display: flex; flex-wrap: wrap; gap: .1rem .75rem; align-items: baseline;
  padding: .45rem .8rem; cursor: pointer; border-radius: .5rem; list-style: none;
}
summary::-webkit-details-marker { display: none; }
summary:hover { background: var(--panel); }
:focus-visible { outline: .15rem solid var(--link); outline-offset: .1rem; }
.inside { padding: .5rem .8rem .8rem; }
.sign { width: 1.1em; font: 700 1rem ui-monospace, monospace; text-align: center; }
.changed > summary .sign { color: var(--changed); }
.less > summary .sign { color: var(--less); }
.more > summary .sign { color: var(--more); }
.same > summary .sign { color: var(--soft); }
.changed { border-left: .25rem solid var(--changed); }
.less { border-left: .25rem solid var(--less); }
.more { border-left: .25rem solid var(--more); }
.places { color: var(--soft); font-variant-numeric: tabular-nums; min-width: 6.5em; }
.kind { font-size: .8rem; color: var(--other); min-width: 5.5em; }
.kind.model { color: var(--model); }
.kind.tool { color: var(--tool); }
.name { font-weight: 600; }
.line { color: var(--soft); font-size: .9rem; flex: 1 1 16rem; }
.failed { color: var(--less); }
dl.field { margin: .6rem 0; }
dl.field dt { font: .85rem ui-monospace, monospace; color: var(--soft); }
dl.field dd { margin: .15rem 0 0; }
.was { background: var(--less-back); border-left: .2rem solid var(--less); }
pre.was::before { content: "- "; color: var(--less); }
pre.now::before { content: "+ "; color: var(--more); }
.now { background: var(--more-back); border-left: .2rem solid var(--more); }
del { color: var(--less); text-decoration-thickness: .1em; font-weight: 600; }
ins { color: var(--more); text-decoration-thickness: .1em; font-weight: 600; }
.beside { display: grid; gap: .5rem 1rem; }
@media (min-width: 48rem) {
  .beside { grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
}
.skip { position: absolute; left: -99rem; }
.skip:focus { position: static; }
@media print {
  :root {
    --back: #fff; --front: #000; --soft: #444; --line: #bbb; --panel: #f4f4f4;
    --less: #a00; --less-back: #fbeaea; --more: #060; --more-back: #e9f5ea;
    --changed: #740; --changed-back: #fdf5e0;
  }
  body { max-width: none; padding: 0; font-size: .8rem; }
  pre { max-height: none; }
  details::details-content { content-visibility: visible; display: block; }
  summary, pre, tr { break-inside: avoid; }
  .skip { display: none; }
}
"""
