"""An OTLP/gRPC receiver that accepts requests and rejects some of their items, with the official bindings.

otlp_partial.py PORT   says "ready" on standard error; 3 log records, 2 spans and 1 data point of each request are refused
"""

import sys
from concurrent import futures

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc


class Logs(logs_grpc.LogsServiceServicer):
    def Export(self, request, context):
        partial = logs.ExportLogsPartialSuccess(rejected_log_records=3, error_message="too old")
        return logs.ExportLogsServiceResponse(partial_success=partial)


class Traces(trace_grpc.TraceServiceServicer):
    def Export(self, request, context):
        partial = trace.ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
        return trace.ExportTraceServiceResponse(partial_success=partial)


class Metrics(metrics_grpc.MetricsServiceServicer):
    def Export(self, request, context):
        partial = metrics.ExportMetricsPartialSuccess(rejected_data_points=1, error_message="too old")
        return metrics.ExportMetricsServiceResponse(partial_success=partial)


server = grpc.server(futures.ThreadPoolExecutor(4))
logs_grpc.add_LogsServiceServicer_to_server(Logs(), server)
trace_grpc.add_TraceServiceServicer_to_server(Traces(), server)
metrics_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
print("ready", file=sys.stderr, flush=True)
server.wait_for_termination()
