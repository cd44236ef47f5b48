"""The only place that wires the layers together."""
