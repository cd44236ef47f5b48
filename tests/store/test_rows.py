"""Spans become the Collector's 22 columns and come back."""

from __future__ import annotations

from dataclasses import replace

from otel_agent_replay.model.span import EventRecord, LinkRecord, SpanRecord
from otel_agent_replay.store.rows import COLUMNS, from_row, to_row
from otel_agent_replay.testing.store_samples import foreign_trace, odd_span, sample_run


def test_columns_are_those_of_the_collector():
    """Names and order are those of the exporter's INSERT."""
    assert ",".join(COLUMNS) == (
        "Timestamp,TraceId,SpanId,ParentSpanId,TraceState,SpanName,SpanKind,"
        "ServiceName,ResourceAttributes,ScopeName,ScopeVersion,SpanAttributes,Duration,"
        "StatusCode,StatusMessage,Events.Timestamp,Events.Name,Events.Attributes,"
        "Links.TraceId,Links.SpanId,Links.TraceState,Links.Attributes"
    )


def test_a_row_holds_what_the_collector_writes():
    """Ids, kind, status and duration are encoded as the exporter does it."""
    span = SpanRecord(
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        parent_span_id="",
        name="chat",
        kind="Client",
        resource={"service.name": "shop", "n": "1"},
        attributes={"ok": "true"},
        start_ns=1_700_000_000_000_000_001,
        end_ns=1_700_000_000_000_000_004,
        status_code="Error",
        status_message="no",
        events=(EventRecord(name="e", time_ns=5, attributes={"a": "[1,2]"}),),
        links=(LinkRecord(trace_id="ab", span_id="cd", trace_state="x=y"),),
    )

    assert dict(zip(COLUMNS, to_row(span), strict=True)) == {
        "Timestamp": 1_700_000_000_000_000_001,
        "TraceId": "0af7651916cd43dd8448eb211c80319c",
        "SpanId": "b7ad6b7169203331",
        "ParentSpanId": "",
        "TraceState": "",
        "SpanName": "chat",
        "SpanKind": "Client",
        "ServiceName": "shop",
        "ResourceAttributes": {"service.name": "shop", "n": "1"},
        "ScopeName": "",
        "ScopeVersion": "",
        "SpanAttributes": {"ok": "true"},
        "Duration": 3,
        "StatusCode": "Error",
        "StatusMessage": "no",
        "Events.Timestamp": [5],
        "Events.Name": ["e"],
        "Events.Attributes": [{"a": "[1,2]"}],
        "Links.TraceId": ["ab"],
        "Links.SpanId": ["cd"],
        "Links.TraceState": ["x=y"],
        "Links.Attributes": [{}],
    }


def test_rows_come_back_as_spans():
    """Reading a row gives the span it was made of."""
    spans = [*sample_run("a"), *foreign_trace("b"), odd_span("c", ["", "é", "\x00"])]

    assert [from_row(to_row(span)) for span in spans] == spans


def test_old_collectors_wrote_other_words():
    """Kinds and status codes under protobuf's names are understood."""
    row = to_row(foreign_trace("a")[0])
    old = row._replace(kind="SPAN_KIND_SERVER", status_code="STATUS_CODE_ERROR")
    span = from_row(old)

    assert (span.kind, span.status_code) == ("Server", "Error")


def test_text_that_is_no_utf8_is_replaced():
    """Half an emoji in a name becomes U+FFFD; a whole one written in halves joins."""
    span = replace(foreign_trace("a")[0], name="\ud83d and \ud83d\ude00")

    assert to_row(span).name == "\ufffd and 😀"
