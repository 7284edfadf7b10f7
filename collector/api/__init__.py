"""The collector as a whole: settings, log, REST, event stream, page; the one place that wires its rooms together."""
