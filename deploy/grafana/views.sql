-- What Grafana's ClickHouse datasource looks for beside otel_traces in OTel mode. Run it
-- in the store's database, unless a Collector made otel_traces: then it exists already.
CREATE VIEW IF NOT EXISTS otel_traces_trace_id_ts AS
SELECT
    TraceId,
    min(Timestamp) AS Start,
    max(addNanoseconds(Timestamp, Duration)) AS End
FROM otel_traces
GROUP BY TraceId;
