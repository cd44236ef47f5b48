-- Jaeger reads a store of otel-agent-replay through these views: no copy, no schema
-- of its own. Jaeger v2, native ClickHouse storage, `create_schema: false`.
--
-- agent_replay is the store's database, jaeger the one that Jaeger is pointed at:
-- replace both names where yours differ. Run it as a user who may create databases,
-- views and dictionaries. If user `default` has a password, put USER and PASSWORD of
-- one who may read agent_replay_contents into the dictionary's SOURCE.
--
-- Payloads are put together on the fly, and those that the GenAI tab shows are lifted
-- from span events to span attributes. Lists of more than about 2,000 messages are
-- shown in part.
CREATE DATABASE IF NOT EXISTS jaeger;

CREATE DICTIONARY IF NOT EXISTS jaeger.content (
    Scope String,
    Hash String,
    Content String
)
PRIMARY KEY Scope, Hash
SOURCE(CLICKHOUSE(DB 'agent_replay' TABLE 'agent_replay_contents'))
LAYOUT(COMPLEX_KEY_DIRECT());

CREATE OR REPLACE VIEW jaeger.spans AS
WITH
    -- '#hash' and '@hash' name a content. A hash that ends in a zero byte loses it as
    -- text, in the dictionary and here alike.
    ((scope, item) -> dictGet('jaeger.content', 'Content', (scope, toString(
        toFixedString(substring(tryBase64URLDecode(substring(item, 2)), 1, 32), 32)
    )))) AS content,
    -- '@hash' is a list of further items.
    ((scope, items) -> arrayFlatten(arrayMap(
        item -> if(startsWith(item, '@'),
            JSONExtract(content(scope, item), 'Array(String)'), [item]),
        items
    ))) AS unfold,
    ((scope, recipe) -> arrayStringConcat(arrayMap(
        item -> if(startsWith(item, '='), substring(item, 2), content(scope, item)),
        unfold(scope, unfold(scope, unfold(scope,
            JSONExtract(recipe, 'Array(String)'))))
    ))) AS payload,
    ((scope, pair) -> if(startsWith(pair.1, 'agent_replay.content.'),
        (substring(pair.1, 22), payload(scope, pair.2)), pair)) AS resolved,
    (attributes -> CAST(attributes, 'Array(Tuple(String, String))')) AS pairs,
    (key -> replaceOne(key, 'agent_replay.content.', '') IN (
        'gen_ai.system_instructions', 'gen_ai.input.messages',
        'gen_ai.output.messages', 'gen_ai.tool.definitions',
        'gen_ai.tool.call.arguments', 'gen_ai.tool.call.result'
    )) AS shown,
    if(SpanAttributes['agent_replay.run.id'] != '',
        SpanAttributes['agent_replay.run.id'], concat('trace/', TraceId)) AS run,
    arrayMap(pair -> resolved(run, pair), arrayConcat(
        pairs(SpanAttributes),
        arrayFilter(pair -> shown(pair.1) AND NOT mapContains(SpanAttributes, pair.1),
            arrayFlatten(arrayMap(each -> pairs(each), `Events.Attributes`)))
    )) AS attributes
SELECT
    SpanId AS id,
    TraceId AS trace_id,
    TraceState AS trace_state,
    ParentSpanId AS parent_span_id,
    CAST(SpanName, 'String') AS name,
    lower(CAST(SpanKind, 'String')) AS kind,
    Timestamp AS start_time,
    CAST(StatusCode, 'String') AS status_code,
    StatusMessage AS status_message,
    toInt64(Duration) AS duration,
    CAST([], 'Array(String)') AS `bool_attributes.key`,
    CAST([], 'Array(Bool)') AS `bool_attributes.value`,
    CAST([], 'Array(String)') AS `double_attributes.key`,
    CAST([], 'Array(Float64)') AS `double_attributes.value`,
    CAST([], 'Array(String)') AS `int_attributes.key`,
    CAST([], 'Array(Int64)') AS `int_attributes.value`,
    CAST([], 'Array(String)') AS `complex_attributes.key`,
    CAST([], 'Array(String)') AS `complex_attributes.value`,
    arrayMap(pair -> pair.1, attributes) AS `str_attributes.key`,
    arrayMap(pair -> pair.2, attributes) AS `str_attributes.value`,
    CAST(`Events.Name`, 'Array(String)') AS `events.name`,
    `Events.Timestamp` AS `events.timestamp`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value Bool))'), `Events.Name`) AS `events.bool_attributes`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value Float64))'), `Events.Name`) AS `events.double_attributes`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value Int64))'), `Events.Name`) AS `events.int_attributes`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value String))'), `Events.Name`) AS `events.complex_attributes`,
    arrayMap(each -> CAST(arrayMap(pair -> resolved(run, pair), pairs(each)),
        'Array(Tuple(key String, value String))'), `Events.Attributes`)
        AS `events.str_attributes`,
    `Links.TraceId` AS `links.trace_id`,
    `Links.SpanId` AS `links.span_id`,
    `Links.TraceState` AS `links.trace_state`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value Bool))'), `Links.TraceId`) AS `links.bool_attributes`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value Float64))'), `Links.TraceId`) AS `links.double_attributes`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value Int64))'), `Links.TraceId`) AS `links.int_attributes`,
    arrayMap(x -> CAST([], 'Array(Tuple(key String, value String))'), `Links.TraceId`) AS `links.complex_attributes`,
    arrayMap(each -> CAST(each, 'Array(Tuple(key String, value String))'),
        `Links.Attributes`) AS `links.str_attributes`,
    CAST(ServiceName, 'String') AS service_name,
    CAST([], 'Array(String)') AS `resource_bool_attributes.key`,
    CAST([], 'Array(Bool)') AS `resource_bool_attributes.value`,
    CAST([], 'Array(String)') AS `resource_double_attributes.key`,
    CAST([], 'Array(Float64)') AS `resource_double_attributes.value`,
    CAST([], 'Array(String)') AS `resource_int_attributes.key`,
    CAST([], 'Array(Int64)') AS `resource_int_attributes.value`,
    CAST([], 'Array(String)') AS `resource_complex_attributes.key`,
    CAST([], 'Array(String)') AS `resource_complex_attributes.value`,
    CAST(mapKeys(ResourceAttributes), 'Array(String)') AS `resource_str_attributes.key`,
    mapValues(ResourceAttributes) AS `resource_str_attributes.value`,
    ScopeName AS scope_name,
    ScopeVersion AS scope_version,
    CAST([], 'Array(String)') AS `scope_bool_attributes.key`,
    CAST([], 'Array(Bool)') AS `scope_bool_attributes.value`,
    CAST([], 'Array(String)') AS `scope_double_attributes.key`,
    CAST([], 'Array(Float64)') AS `scope_double_attributes.value`,
    CAST([], 'Array(String)') AS `scope_int_attributes.key`,
    CAST([], 'Array(Int64)') AS `scope_int_attributes.value`,
    CAST([], 'Array(String)') AS `scope_complex_attributes.key`,
    CAST([], 'Array(String)') AS `scope_complex_attributes.value`,
    CAST([], 'Array(String)') AS `scope_str_attributes.key`,
    CAST([], 'Array(String)') AS `scope_str_attributes.value`
FROM agent_replay.otel_traces;

CREATE OR REPLACE VIEW jaeger.services AS
SELECT DISTINCT CAST(ServiceName, 'String') AS name FROM agent_replay.otel_traces;

CREATE OR REPLACE VIEW jaeger.operations AS
SELECT DISTINCT
    CAST(ServiceName, 'String') AS service_name,
    CAST(SpanName, 'String') AS name,
    lower(CAST(SpanKind, 'String')) AS span_kind
FROM agent_replay.otel_traces;

CREATE OR REPLACE VIEW jaeger.trace_id_timestamps AS
SELECT
    TraceId AS trace_id,
    min(Timestamp) AS start,
    max(addNanoseconds(Timestamp, Duration)) AS end
FROM agent_replay.otel_traces
GROUP BY TraceId;

CREATE OR REPLACE VIEW jaeger.attribute_metadata AS
SELECT DISTINCT
    arrayJoin(arrayMap(key -> replaceOne(key, 'agent_replay.content.', ''),
        mapKeys(SpanAttributes))) AS attribute_key,
    'str' AS type,
    'span' AS level
FROM agent_replay.otel_traces
UNION ALL
SELECT DISTINCT arrayJoin(mapKeys(ResourceAttributes)), 'str', 'resource'
FROM agent_replay.otel_traces;

CREATE TABLE IF NOT EXISTS jaeger.dependencies (
    timestamp DateTime64(9),
    dependencies_json String
) ENGINE = MergeTree PARTITION BY toDate(timestamp) ORDER BY timestamp;
