"""PromQL over the names of `/metrics` (agent/src/metrics/)."""

SELECT = 'instance=~"$instance"'
# A long flow is reported once per active timeout (60 s), so traffic is summed up over at least two: $window is two minutes,
# more for a long time range. Values that the agent samples each second can be shown in finer steps.
WINDOW, STEP = "$window", "$__rate_interval"


def selected(metric, labels=""):
    return f'{metric}{{{", ".join(filter(None, [SELECT, labels]))}}}'


def rate(metric, labels="", window=WINDOW):
    return f"rate({selected(metric, labels)}[{window}])"


def increase(metric, labels=""):
    """The increase in the time range."""
    return f"increase({selected(metric, labels)}[$__range])"


def total(by, expression):
    return f"sum by ({by}) ({expression})"


def top(most, expression):
    return f"topk({most}, {expression})"


def top_lines(most, by, metric, labels=""):
    """Rates of the series with the most in the time range: topk alone would choose again at every point."""
    return top_of(most, total(by, rate(metric, labels)), total(by, whole(metric, labels)))


def top_of(most, lines, ranked_by):
    return f"{lines} and topk({most}, {ranked_by})"


def whole(metric, labels=""):
    """As `increase`, the same at every point of a query over time."""
    return f"increase({selected(metric, labels)}[$__range] @ end())"


def by_end(end, expression):
    """The label of an end as the label id."""
    return f'label_replace({expression}, "id", "$1", "{end}", "(.*)")'


def without_loops(edges):
    """Edges without those from a node to itself."""
    return f'{edges} unless on (id) label_join({edges}, "id", "->", "source", "source")'


# Excludes "other": everything without a series of its own.
KNOWN = 'id!="other"'


def slowest(by, buckets):
    return f"histogram_quantile(0.95, {total(', '.join(['le', *by]), buckets)})"


def seen(metric, labels=""):
    """The last values in the time range, also of series that have ended."""
    return f"last_over_time({selected(metric, labels)}[$__range])"
