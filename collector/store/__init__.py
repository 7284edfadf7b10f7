"""What the collector keeps: events, nodes, alerts and their counts, behind one Protocol."""
