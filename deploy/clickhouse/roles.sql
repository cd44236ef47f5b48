-- Roles for a store in the database agent_replay: replace the name where yours
-- differs. Run it as an administrator, once `agent-replay store init` has made the
-- tables: the views and the summary work with the rights of the user who made them.

-- Writes spans and payloads, and can read none of them. It reads the schema version,
-- and the settings, of which one is the key of the pseudonyms.
CREATE ROLE IF NOT EXISTS agent_replay_writer;
GRANT INSERT ON agent_replay.otel_traces TO agent_replay_writer;
GRANT INSERT ON agent_replay.agent_replay_contents TO agent_replay_writer;
GRANT SELECT, INSERT ON agent_replay.agent_replay_settings TO agent_replay_writer;
GRANT SELECT ON agent_replay.agent_replay_migrations TO agent_replay_writer;

-- Beside the writer: for agents that make writes with an idempotency key. Before such a
-- write, and in a resume, it must be read what became of it: keys and outcomes, as
-- they were redacted, of all tenants.
CREATE ROLE IF NOT EXISTS agent_replay_intender;
GRANT SELECT, INSERT ON agent_replay.agent_replay_intentions TO agent_replay_intender;

-- For LangGraph's AgentReplaySaver, alone or beside the writer: the states of all
-- threads, as they are. Without ALTER DELETE it goes on and reads, but neither deletes
-- threads nor resumes a run that wrote to one.
CREATE ROLE IF NOT EXISTS agent_replay_saver;
GRANT SELECT, INSERT, ALTER DELETE ON agent_replay.agent_replay_states TO agent_replay_saver;
GRANT SELECT ON agent_replay.agent_replay_migrations TO agent_replay_saver;

-- Lists runs and what they cost; sees no payload, and no attribute that may hold one.
CREATE ROLE IF NOT EXISTS agent_replay_reader;
GRANT SELECT ON agent_replay.agent_replay_runs TO agent_replay_reader;
GRANT SELECT ON agent_replay.agent_replay_steps TO agent_replay_reader;
GRANT SELECT ON agent_replay.agent_replay_marks TO agent_replay_reader;
GRANT SELECT ON agent_replay.agent_replay_marked TO agent_replay_reader;
GRANT SELECT ON agent_replay.agent_replay_migrations TO agent_replay_reader;
GRANT SELECT(Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
    Duration, StatusCode) ON agent_replay.otel_traces TO agent_replay_reader;

-- Also loads runs, payloads included.
CREATE ROLE IF NOT EXISTS agent_replay_payload_reader;
GRANT agent_replay_reader TO agent_replay_payload_reader;
GRANT SELECT ON agent_replay.otel_traces TO agent_replay_payload_reader;
GRANT SELECT ON agent_replay.agent_replay_contents TO agent_replay_payload_reader;
GRANT SELECT ON agent_replay.agent_replay_settings TO agent_replay_payload_reader;
GRANT SELECT ON system.parts TO agent_replay_payload_reader;

-- One role a tenant, beside one of the above. The tenant is the resource attribute
-- service.namespace. Once a table has a policy, users without one see no row of it:
-- the last four give everyone else what they had.
CREATE ROLE IF NOT EXISTS agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS blue ON agent_replay.agent_replay_runs
    USING Tenant = 'blue' TO agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS blue ON agent_replay.agent_replay_steps
    USING Tenant = 'blue' TO agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS blue ON agent_replay.agent_replay_contents
    USING Tenant = 'blue' TO agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS blue ON agent_replay.otel_traces
    USING ResourceAttributes['service.namespace'] = 'blue' TO agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS everyone ON agent_replay.agent_replay_runs
    USING 1 TO ALL EXCEPT agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS everyone ON agent_replay.agent_replay_steps
    USING 1 TO ALL EXCEPT agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS everyone ON agent_replay.agent_replay_contents
    USING 1 TO ALL EXCEPT agent_replay_tenant_blue;
CREATE ROW POLICY IF NOT EXISTS everyone ON agent_replay.otel_traces
    USING 1 TO ALL EXCEPT agent_replay_tenant_blue;
