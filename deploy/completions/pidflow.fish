# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pidflow_global_optspecs
    string join \n h/help V/version
end

function __fish_pidflow_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pidflow_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pidflow_using_subcommand
    set -l cmd (__fish_pidflow_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pidflow -n "__fish_pidflow_needs_command" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_needs_command" -s V -l version -d 'Print version'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "run" -d 'Capture live traffic and kernel events; on a terminal, show the live view'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "read" -d 'Read capture files (pcap, pcapng; gzip or zstd; - is standard input)'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "collect" -d 'Receive IPFIX, NetFlow v5 and v9 and sFlow v5 from routers and agents on other hosts'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "fields" -d 'List the elements of flow records'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "check" -d 'Check a configuration file, without starting anything'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "audit" -d 'Ask a running agent where every packet went, from the kernel\'s counters to the records'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "query" -d 'Search the history that `run --history` keeps, whether or not an agent is running'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "doctor" -d 'Check this host (kernel, hooks, interfaces) and report which data pidflow cannot collect on it'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "generate" -d 'Print the man page or shell completions'
complete -c pidflow -n "__fish_pidflow_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l config -d 'Configuration file (TOML); variables and flags override it' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l report -d 'Format of the report [default: text]' -r -f -a "text\t'Tables for a terminal'
json\t'JSON, with everything'
markdown\t'Markdown, for build summaries'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l report-file -d 'Write the report to this file instead of standard error' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l baseline -d 'Compare the destinations with those in this file; write the file if it does not exist' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l linger -d 'When the command has ended, wait this long for processes that it left in the background; 0: do not wait [default: 2s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s i -l interface -d 'Interface to capture on, repeatable. "any": all interfaces through one socket, including loopback; "all": a socket for each interface that is up now or later, with the MAC addresses of both ends. An interface that disappears is captured again when it returns [default: any]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s f -l filter -d 'Capture only packets that match this BPF filter (tcpdump syntax)' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l snaplen -d 'Bytes captured of each packet, 64 to 262144; only the headers are needed, and the payload where application names are read [default: 256; with application names 2048]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l promiscuous -d 'Also capture packets that are not addressed to this host' -r -f -a "true\t''
false\t''"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l own-traffic -d 'How to treat flows of the agent itself (exports, HTTP, self-tests) [default: mark]' -r -f -a "mark\t'Their records have the element OWN_TRAFFIC, and are exported together with other records'
hide\t'They have no records'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s t -l active-timeout -d 'Interval at which a record of a flow that continues is exported, 0: never [default: 60s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s d -l idle-timeout -d 'End a flow after this long without a packet, 0: never [default: 15s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l max-flows -d 'Maximum number of flows in the table; when it is full, flows without an answer, then the least recently active ones, are exported early [default: as the memory budget allows, at most 1048576]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l fragments -d 'How IP fragments after the first one are handled [default: join]' -r -f -a "join\t'Count them in the flow of the first fragment'
separate\t'Discard them, and count them as discarded'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l tunnels -d 'Packets counted in tunnels (VXLAN, Geneve, GRE, GTP-U, IP in IP, …) [default: inner]' -r -f -a "inner\t'The inner packets, in flows with the inner addresses and this tunnel'
outer\t'The outer packets'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l application-names -d 'Whether the first payload bytes of flows are read for the application protocol and the names in it [default: off]' -r -f -a "on\t'Protocol and names from DNS, TLS, QUIC, HTTP, SSH, VPNs, databases and brokers'
off\t'Payloads are not looked at'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l tcp-health -d 'Whether retransmissions, losses, round trips and the latency of answers are measured on TCP connections [default: off]' -r -f -a "on\t'Retransmissions, losses, windows, round trips, and how long servers take to answer'
off\t'Only flags and the duration of the handshake'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l packet-figures -d 'Whether sizes of packets, times between them, DSCP, ECN and hop limits are measured [default: off]' -r -f -a "on\t'Sizes, times between packets, DSCP, ECN and hop limits of each direction'
off\t'Only packets and bytes'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l ndpi -d 'Whether the system\'s nDPI library classifies flows by their first packets. It is C code that reads what strangers send. Without the library a warning says so, and flows are not classified [default: off]' -r -f -a "on\t'By their first packets'
off\t'The library is not loaded'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l ndpi-protocols -d 'File with protocols of your own, in nDPI\'s format' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l ndpi-tcp-packets -d 'Packets of a TCP connection that nDPI sees at most, with those of the handshake [default: 15]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l ndpi-udp-packets -d 'Packets of a flow of UDP or another protocol that nDPI sees at most [default: 2]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l geoip-city -d 'Database of countries and cities in MaxMind\'s format, such as GeoLite2-City.mmdb; read again when it is replaced' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l geoip-asn -d 'Database of autonomous systems in MaxMind\'s format, such as GeoLite2-ASN.mmdb; read again when it is replaced' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l local-networks -d 'Local networks, such as 10.0.0.0/8,fd00::/8; "own": those of this host\'s interfaces. Records then tell whether a flow comes in, goes out, is internal or forwarded [default: none]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l cpu-budget -d 'CPU time that the agent may use, as a share of one core, such as 50%. Beyond it, it leaves out names of applications, then the usage of processes, then packets, and says so [default: no limit]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l memory-budget -d 'Memory that the agent may use, such as 512MiB; at most the limit of its cgroup. Its tables and queues share it [default: 256MiB]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l probes -d 'How kernel events are collected [default: auto]' -r -f -a "auto\t'The best method that attaches, for each hook'
fentry\t'fentry and fexit only'
kprobe\t'kprobe and kretprobe only'
tracepoint\t'Tracepoints only'
poll\t'No eBPF: /proc is read at intervals'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l delay-accounting -d 'The kernel\'s delay accounting, which I/O wait needs [default: keep]' -r -f -a "on\t'Switch it on while running, and restore it at the end'
off\t'Switch it off while running, and restore it at the end'
keep\t'Leave it as it is'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l pod-logs -d 'Folder with the kubelet\'s links to container logs; their names tell which pod a container belongs to [default: /var/log/containers]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l service-names -d 'Whether the service that a process\'s environment names (OTEL_SERVICE_NAME, or service.name in OTEL_RESOURCE_ATTRIBUTES) is read; nothing else of the environment is kept [default: off]' -r -f -a "on\t'It is read'
off\t'Environments are not read'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l self-test-interval -d 'Interval at which the agent makes small connections to test whether all hooks report events, 0: never [default: 1h]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l docker-socket -d 'Socket of the API of Docker or Podman, such as /run/docker.sock, repeatable; it is asked for names, images and Compose services of containers [default: none]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l kubernetes -d 'Where the pods of this node are known from [default: auto]' -r -f -a "auto\t'In a pod, or where a server is given: the kubelet, else the API server; otherwise the links to logs'
kubelet\t'The kubelet, and the links to logs'
api\t'A watch of the API server, and the links to logs'
logs\t'The kubelet\'s links to logs alone (--pod-logs)'
off\t'Pods are not known'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l kubelet -d 'Address of the kubelet [default: https://NODE:10250]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l kubernetes-api -d 'Address of the API server [default: as the environment of a pod names it]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l kubernetes-credentials -d 'Folder with the files token and ca.crt for both [default: /var/run/secrets/kubernetes.io/serviceaccount]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l node-name -d 'Name of this node in Kubernetes' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l pod-labels -d 'Labels of pods that records have, such as app,version' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l pod-annotations -d 'Annotations of pods that records have, such as example.com/team' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l kubernetes-cluster -d 'Also watch the pods, services, endpoint slices and nodes of the whole cluster, so that remote ends are named; about 1 kB of memory for each' -r -f -a "true\t''
false\t''"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l command-lines -d 'How much of command lines is kept, exported and served [default: masked]' -r -f -a "off\t'Nothing'
masked\t'The arguments, with secrets replaced by ***'
full\t'The arguments unchanged, including secrets'
hash\t'A keyed hash'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l max-command-line -d 'Bytes kept of each command line, 64 to 131072; the rest is cut off [default: 4096]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l users -d 'How much of user ids and names is kept, exported and served [default: keep]' -r -f -a "keep\t'User id and name'
omit\t'Nothing'
hash\t'Keyed hashes of both'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l executables -d 'How much of the paths of executables is kept, exported and served [default: keep]' -r -f -a "keep\t'The path'
name\t'The file name without the folder'
omit\t'Nothing'
hash\t'A keyed hash of the path'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l hash-key-file -d 'File with the key of the hashes, readable by its owner only; without it the key is random and new at each start' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l only -d 'Keep only records for which this expression is true, such as \'process == "nginx" && dst.port == 443\'. It applies to exporters, live view, HTTP and traffic metrics. `pidflow fields --short` lists the names' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s n -l collector -d 'Send IPFIX or NetFlow v9 to this collector, repeatable' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s V -l export-version -d '10: IPFIX, 9: NetFlow v9 [default: 10]' -r -f -a "10\t'IPFIX (RFC 7011)'
9\t'NetFlow v9 (RFC 3954)'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l ipfix-direction -d 'How IPFIX sends both directions of a flow [default: biflow]' -r -f -a "biflow\t'One record with reverse elements (RFC 5103)'
uniflow\t'Two records, each with its own source and destination'
ntop\t'One record with OUT_BYTES and OUT_PKTS as elements 23 and 24'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s T -l template -d 'Elements to send, such as "%IPV4_SRC_ADDR … @PROCESS@"; @FLOW@, @PROCESS@, @PIDFLOW@, @TUNNEL@, @NAT@, @KEY@, @APPLICATION@, @TCP@, @PACKETS@, @K8S@, @COLLECTED@, @PLACES@ and @GLUED@ stand for groups [default: all elements; to collectors @FLOW@ @PROCESS@ and the most useful others]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l json -d 'Write JSON lines to this file, to standard output (-), or to udp://, tcp:// or tls://HOST:PORT or unix:///PATH' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l json-keys -d 'Keys of JSON records [default: names]' -r -f -a "names\t'IPV4_SRC_ADDR, SRC_PROC_NAME, …'
numbers\t'8, 57640, …'
pen-numbers\t'8, 35632.168, …'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l otlp -d 'Send OpenTelemetry data to this OTLP receiver; "env": to the address in OTEL_EXPORTER_OTLP_ENDPOINT. The other OTEL_EXPORTER_OTLP_* variables (protocol, headers, certificates, …) apply too' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l otlp-signals -d 'What to send over OTLP [default: logs]' -r -f -a "logs\t'A log record per flow record'
metrics\t'The metrics, at intervals'
traces\t'A span per flow record'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l elastic -d 'Send documents to this Elasticsearch or OpenSearch server, to one index per day' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l clickhouse -d 'Insert rows into the table `flows` of this ClickHouse server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l kafka -d 'Send messages to a topic of this Kafka broker [default topic: pidflow.flows]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l nats -d 'Publish messages with the subject `pidflow.flows` to this NATS server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l parquet -d 'Write Parquet files to this folder or s3://BUCKET/PREFIX, by date and hour of the flows\' ends (UTC): date=YYYY-MM-DD/hour=HH/….parquet' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l redis -d 'Append entries to the list `pidflow.flows` of this Redis server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l zmq -d 'Publish messages to ntopng and other ZeroMQ subscribers that connect here, as tcp://ADDRESS:PORT' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l own-pen -d 'Private enterprise number of pidflow\'s own elements [default: 32473]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l drain-timeout -d 'How long exporters may take to deliver the remaining records when the agent stops [default: 10s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l host -d 'Host name in records, metrics and graphs [default: this host\'s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l observer -d 'Id of this agent in records, by which collectors tell apart what several agents saw of one flow [default: made from the host\'s machine id]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l listen -d 'Serve a page for people, metrics, health, recent flows, processes and the graph on this address (/api lists the pages), or "off". An address other than loopback needs a token or client certificates; on loopback without them only root, the agent\'s own user and who started it with sudo may read flows and processes [default: 127.0.0.1:9435]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l metrics-listen -d 'Serve only /metrics, /livez and /readyz on this additional address, to every client, or "off" [default: off]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l tls-cert -d 'Serve HTTPS with this certificate (PEM, followed by its chain)' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l tls-key -d 'The certificate\'s private key (PEM)' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l tls-client-ca -d 'Accept clients with a certificate issued by these authorities (PEM); if a token is set too, either suffices' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l token-file -d 'Require the bearer token in this file, except for /livez and /readyz; the variable PIDFLOW_TOKEN can contain the token itself' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l recent-flows -d 'Number of latest flow records kept for /api/flows, about 1 kB each; 0: no records and no processes [default: 10000]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l max-edges -d 'Maximum number of series of each kind of traffic metric (edges, users, addresses, …); the rest is summed up as "other" [default: 100]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l history -d 'Keep the records in this folder, one SQLite file per hour, for `pidflow query`, the page and /api/history/flows' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l history-keep -d 'Remove files of the history whose hour ended this long ago, 0: never [default: 7d]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l history-size -d 'Remove the oldest files of the history when all together are larger than this, such as 500MB [default: 10GB]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l view -d 'What is shown on a terminal; plain: lines, as without a terminal [default: terminal]' -r -f -a "terminal\t'The live view, with keys'
plain\t'Lines, as without a terminal'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l log-format -d 'Format of log lines [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l log-level -d 'The lowest level that is logged [default: info]' -r -f -a "error\t'Errors only'
warn\t'Also warnings'
info\t'Also informational messages'
debug\t'Also debugging messages'
trace\t'Everything'"
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -l fail-on-new -d 'End with code 3 if a destination is not in the baseline, or 4 if one may be missing in the report, unless the command failed'
complete -c pidflow -n "__fish_pidflow_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l config -d 'Configuration file (TOML); variables and flags override it' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s f -l filter -d 'Read only packets that match this BPF filter (tcpdump syntax)' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s t -l active-timeout -d 'Interval at which a record of a flow that continues is exported, 0: never [default: 60s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s d -l idle-timeout -d 'End a flow after this long without a packet, 0: never [default: 15s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l max-flows -d 'Maximum number of flows in the table; when it is full, flows without an answer, then the least recently active ones, are exported early [default: as the memory budget allows, at most 1048576]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l fragments -d 'How IP fragments after the first one are handled [default: join]' -r -f -a "join\t'Count them in the flow of the first fragment'
separate\t'Discard them, and count them as discarded'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l tunnels -d 'Packets counted in tunnels (VXLAN, Geneve, GRE, GTP-U, IP in IP, …) [default: inner]' -r -f -a "inner\t'The inner packets, in flows with the inner addresses and this tunnel'
outer\t'The outer packets'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l application-names -d 'Whether the first payload bytes of flows are read for the application protocol and the names in it [default: off]' -r -f -a "on\t'Protocol and names from DNS, TLS, QUIC, HTTP, SSH, VPNs, databases and brokers'
off\t'Payloads are not looked at'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l tcp-health -d 'Whether retransmissions, losses, round trips and the latency of answers are measured on TCP connections [default: off]' -r -f -a "on\t'Retransmissions, losses, windows, round trips, and how long servers take to answer'
off\t'Only flags and the duration of the handshake'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l packet-figures -d 'Whether sizes of packets, times between them, DSCP, ECN and hop limits are measured [default: off]' -r -f -a "on\t'Sizes, times between packets, DSCP, ECN and hop limits of each direction'
off\t'Only packets and bytes'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l ndpi -d 'Whether the system\'s nDPI library classifies flows by their first packets. It is C code that reads what strangers send. Without the library a warning says so, and flows are not classified [default: off]' -r -f -a "on\t'By their first packets'
off\t'The library is not loaded'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l ndpi-protocols -d 'File with protocols of your own, in nDPI\'s format' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l ndpi-tcp-packets -d 'Packets of a TCP connection that nDPI sees at most, with those of the handshake [default: 15]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l ndpi-udp-packets -d 'Packets of a flow of UDP or another protocol that nDPI sees at most [default: 2]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l geoip-city -d 'Database of countries and cities in MaxMind\'s format, such as GeoLite2-City.mmdb; read again when it is replaced' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l geoip-asn -d 'Database of autonomous systems in MaxMind\'s format, such as GeoLite2-ASN.mmdb; read again when it is replaced' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l local-networks -d 'Local networks, such as 10.0.0.0/8,fd00::/8; "own": those of this host\'s interfaces. Records then tell whether a flow comes in, goes out, is internal or forwarded [default: none]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l only -d 'Keep only records for which this expression is true, such as \'process == "nginx" && dst.port == 443\'. It applies to exporters, live view, HTTP and traffic metrics. `pidflow fields --short` lists the names' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s n -l collector -d 'Send IPFIX or NetFlow v9 to this collector, repeatable' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s V -l export-version -d '10: IPFIX, 9: NetFlow v9 [default: 10]' -r -f -a "10\t'IPFIX (RFC 7011)'
9\t'NetFlow v9 (RFC 3954)'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l ipfix-direction -d 'How IPFIX sends both directions of a flow [default: biflow]' -r -f -a "biflow\t'One record with reverse elements (RFC 5103)'
uniflow\t'Two records, each with its own source and destination'
ntop\t'One record with OUT_BYTES and OUT_PKTS as elements 23 and 24'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s T -l template -d 'Elements to send, such as "%IPV4_SRC_ADDR … @PROCESS@"; @FLOW@, @PROCESS@, @PIDFLOW@, @TUNNEL@, @NAT@, @KEY@, @APPLICATION@, @TCP@, @PACKETS@, @K8S@, @COLLECTED@, @PLACES@ and @GLUED@ stand for groups [default: all elements; to collectors @FLOW@ @PROCESS@ and the most useful others]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l json -d 'Write JSON lines to this file, to standard output (-), or to udp://, tcp:// or tls://HOST:PORT or unix:///PATH' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l json-keys -d 'Keys of JSON records [default: names]' -r -f -a "names\t'IPV4_SRC_ADDR, SRC_PROC_NAME, …'
numbers\t'8, 57640, …'
pen-numbers\t'8, 35632.168, …'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l otlp -d 'Send OpenTelemetry data to this OTLP receiver; "env": to the address in OTEL_EXPORTER_OTLP_ENDPOINT. The other OTEL_EXPORTER_OTLP_* variables (protocol, headers, certificates, …) apply too' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l otlp-signals -d 'What to send over OTLP [default: logs]' -r -f -a "logs\t'A log record per flow record'
metrics\t'The metrics, at intervals'
traces\t'A span per flow record'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l elastic -d 'Send documents to this Elasticsearch or OpenSearch server, to one index per day' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l clickhouse -d 'Insert rows into the table `flows` of this ClickHouse server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l kafka -d 'Send messages to a topic of this Kafka broker [default topic: pidflow.flows]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l nats -d 'Publish messages with the subject `pidflow.flows` to this NATS server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l parquet -d 'Write Parquet files to this folder or s3://BUCKET/PREFIX, by date and hour of the flows\' ends (UTC): date=YYYY-MM-DD/hour=HH/….parquet' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l redis -d 'Append entries to the list `pidflow.flows` of this Redis server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l zmq -d 'Publish messages to ntopng and other ZeroMQ subscribers that connect here, as tcp://ADDRESS:PORT' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l own-pen -d 'Private enterprise number of pidflow\'s own elements [default: 32473]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l drain-timeout -d 'How long exporters may take to deliver the remaining records when the agent stops [default: 10s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l host -d 'Host name in records, metrics and graphs [default: this host\'s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l observer -d 'Id of this agent in records, by which collectors tell apart what several agents saw of one flow [default: made from the host\'s machine id]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l log-format -d 'Format of log lines [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -l log-level -d 'The lowest level that is logged [default: info]' -r -f -a "error\t'Errors only'
warn\t'Also warnings'
info\t'Also informational messages'
debug\t'Also debugging messages'
trace\t'Everything'"
complete -c pidflow -n "__fish_pidflow_using_subcommand read" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l config -d 'Configuration file (TOML); variables and flags override it' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l netflow -d 'Receive IPFIX and NetFlow v5 and v9 on this UDP address, repeatable, such as 0.0.0.0:2055' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l sflow -d 'Receive sFlow v5 on this UDP address, repeatable, such as 0.0.0.0:6343. Each address accepts all protocols; the protocol of a datagram is in its first octets' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l ipfix-tcp -d 'Receive IPFIX over TCP on this address, repeatable, such as 0.0.0.0:4739' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l json-tcp -d 'Receive pidflow\'s JSON lines over TCP on this address, repeatable. Each TCP address accepts both; the first octet of a connection says which' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l ipfix-tls -d 'Receive IPFIX over TLS on this address, repeatable, such as 0.0.0.0:4740; needs --collect-tls-cert and --collect-tls-key. JSON lines are accepted too' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l collect-tls-cert -d 'PEM file with the certificate of this host for --ipfix-tls, and its chain' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l collect-tls-key -d 'PEM file with its private key' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l collect-tls-client-ca -d 'PEM file with the authorities of exporters; with it, exporters need a certificate of one of them' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l zmq-from -d 'Receive records of nProbe or pidflow over ZeroMQ from this publisher, repeatable, such as tcp://probe:5556; with a c at its end (tcp://*:5556c), publishers connect to this address' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l collect-state -d 'Keep templates and sequence numbers of exporters that send over UDP in files of this folder, so that a restart does not lose records and what was sent meanwhile is counted as lost' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l glue -d 'Put the records of several agents about one flow together, for which each record waits at most this long, such as 30s' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l geoip-city -d 'Database of countries and cities in MaxMind\'s format, such as GeoLite2-City.mmdb; read again when it is replaced' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l geoip-asn -d 'Database of autonomous systems in MaxMind\'s format, such as GeoLite2-ASN.mmdb; read again when it is replaced' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l local-networks -d 'Local networks, such as 10.0.0.0/8,fd00::/8; "own": those of this host\'s interfaces. Records then tell whether a flow comes in, goes out, is internal or forwarded [default: none]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l only -d 'Keep only records for which this expression is true, such as \'process == "nginx" && dst.port == 443\'. It applies to exporters, live view, HTTP and traffic metrics. `pidflow fields --short` lists the names' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -s n -l collector -d 'Send IPFIX or NetFlow v9 to this collector, repeatable' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -s V -l export-version -d '10: IPFIX, 9: NetFlow v9 [default: 10]' -r -f -a "10\t'IPFIX (RFC 7011)'
9\t'NetFlow v9 (RFC 3954)'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l ipfix-direction -d 'How IPFIX sends both directions of a flow [default: biflow]' -r -f -a "biflow\t'One record with reverse elements (RFC 5103)'
uniflow\t'Two records, each with its own source and destination'
ntop\t'One record with OUT_BYTES and OUT_PKTS as elements 23 and 24'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -s T -l template -d 'Elements to send, such as "%IPV4_SRC_ADDR … @PROCESS@"; @FLOW@, @PROCESS@, @PIDFLOW@, @TUNNEL@, @NAT@, @KEY@, @APPLICATION@, @TCP@, @PACKETS@, @K8S@, @COLLECTED@, @PLACES@ and @GLUED@ stand for groups [default: all elements; to collectors @FLOW@ @PROCESS@ and the most useful others]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l json -d 'Write JSON lines to this file, to standard output (-), or to udp://, tcp:// or tls://HOST:PORT or unix:///PATH' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l json-keys -d 'Keys of JSON records [default: names]' -r -f -a "names\t'IPV4_SRC_ADDR, SRC_PROC_NAME, …'
numbers\t'8, 57640, …'
pen-numbers\t'8, 35632.168, …'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l otlp -d 'Send OpenTelemetry data to this OTLP receiver; "env": to the address in OTEL_EXPORTER_OTLP_ENDPOINT. The other OTEL_EXPORTER_OTLP_* variables (protocol, headers, certificates, …) apply too' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l otlp-signals -d 'What to send over OTLP [default: logs]' -r -f -a "logs\t'A log record per flow record'
metrics\t'The metrics, at intervals'
traces\t'A span per flow record'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l elastic -d 'Send documents to this Elasticsearch or OpenSearch server, to one index per day' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l clickhouse -d 'Insert rows into the table `flows` of this ClickHouse server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l kafka -d 'Send messages to a topic of this Kafka broker [default topic: pidflow.flows]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l nats -d 'Publish messages with the subject `pidflow.flows` to this NATS server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l parquet -d 'Write Parquet files to this folder or s3://BUCKET/PREFIX, by date and hour of the flows\' ends (UTC): date=YYYY-MM-DD/hour=HH/….parquet' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l redis -d 'Append entries to the list `pidflow.flows` of this Redis server' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l zmq -d 'Publish messages to ntopng and other ZeroMQ subscribers that connect here, as tcp://ADDRESS:PORT' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l own-pen -d 'Private enterprise number of pidflow\'s own elements [default: 32473]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l drain-timeout -d 'How long exporters may take to deliver the remaining records when the agent stops [default: 10s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l host -d 'Host name in records, metrics and graphs [default: this host\'s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l observer -d 'Id of this agent in records, by which collectors tell apart what several agents saw of one flow [default: made from the host\'s machine id]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l listen -d 'Serve a page for people, metrics, health, recent flows, processes and the graph on this address (/api lists the pages), or "off". An address other than loopback needs a token or client certificates; on loopback without them only root, the agent\'s own user and who started it with sudo may read flows and processes [default: 127.0.0.1:9435]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l metrics-listen -d 'Serve only /metrics, /livez and /readyz on this additional address, to every client, or "off" [default: off]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l tls-cert -d 'Serve HTTPS with this certificate (PEM, followed by its chain)' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l tls-key -d 'The certificate\'s private key (PEM)' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l tls-client-ca -d 'Accept clients with a certificate issued by these authorities (PEM); if a token is set too, either suffices' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l token-file -d 'Require the bearer token in this file, except for /livez and /readyz; the variable PIDFLOW_TOKEN can contain the token itself' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l recent-flows -d 'Number of latest flow records kept for /api/flows, about 1 kB each; 0: no records and no processes [default: 10000]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l max-edges -d 'Maximum number of series of each kind of traffic metric (edges, users, addresses, …); the rest is summed up as "other" [default: 100]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l history -d 'Keep the records in this folder, one SQLite file per hour, for `pidflow query`, the page and /api/history/flows' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l history-keep -d 'Remove files of the history whose hour ended this long ago, 0: never [default: 7d]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l history-size -d 'Remove the oldest files of the history when all together are larger than this, such as 500MB [default: 10GB]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l view -d 'What is shown on a terminal; plain: lines, as without a terminal [default: terminal]' -r -f -a "terminal\t'The live view, with keys'
plain\t'Lines, as without a terminal'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l log-format -d 'Format of log lines [default: text]' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -l log-level -d 'The lowest level that is logged [default: info]' -r -f -a "error\t'Errors only'
warn\t'Also warnings'
info\t'Also informational messages'
debug\t'Also debugging messages'
trace\t'Everything'"
complete -c pidflow -n "__fish_pidflow_using_subcommand collect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pidflow -n "__fish_pidflow_using_subcommand fields" -l markdown -d 'Print a Markdown page'
complete -c pidflow -n "__fish_pidflow_using_subcommand fields" -l json -d 'Print JSON lines'
complete -c pidflow -n "__fish_pidflow_using_subcommand fields" -l short -d 'List the short names for expressions (--only, filter) instead'
complete -c pidflow -n "__fish_pidflow_using_subcommand fields" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand check" -l config -d 'Configuration file (TOML)' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand check" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand audit" -l listen -d 'Address on which the agent serves HTTP: the value of its own --listen [default: 127.0.0.1:9435]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand audit" -l token-file -d 'File with the agent\'s bearer token; the variable PIDFLOW_TOKEN can contain the token itself' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand audit" -l tls-ca -d 'Use HTTPS, and trust the certificate authorities in this file (PEM); the agent\'s certificate must name the host of --listen' -r -F
complete -c pidflow -n "__fish_pidflow_using_subcommand audit" -l json -d 'Print JSON, as /api/ledger does'
complete -c pidflow -n "__fish_pidflow_using_subcommand audit" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l history -d 'Folder of the history [default: /var/lib/pidflow/history]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l since -d 'Only flows with a packet at this time or later, 0: all [default: 1h]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l until -d 'Only flows with a packet at this time or earlier [default: now]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l by -d 'Sum up the records with the same values of these names, such as process,dst.port. A name such as process means either end: a record counts at both' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l step -d 'Sum up the records that ended in each interval of this length' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l top -d 'Maximum number of lines: the latest records, or the groups with the most bytes [default: 100; with --by 20]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l timeout -d 'Give up after this long [default: 60s]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l json -d 'Print JSON lines; records as --json of `run` writes them'
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -l table -d 'Print a table (the default)'
complete -c pidflow -n "__fish_pidflow_using_subcommand query" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l probes -d 'How kernel events are collected [default: auto]' -r -f -a "auto\t'The best method that attaches, for each hook'
fentry\t'fentry and fexit only'
kprobe\t'kprobe and kretprobe only'
tracepoint\t'Tracepoints only'
poll\t'No eBPF: /proc is read at intervals'"
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l delay-accounting -d 'The kernel\'s delay accounting, which I/O wait needs [default: keep]' -r -f -a "on\t'Switch it on while running, and restore it at the end'
off\t'Switch it off while running, and restore it at the end'
keep\t'Leave it as it is'"
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l pod-logs -d 'Folder with the kubelet\'s links to container logs; their names tell which pod a container belongs to [default: /var/log/containers]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l service-names -d 'Whether the service that a process\'s environment names (OTEL_SERVICE_NAME, or service.name in OTEL_RESOURCE_ATTRIBUTES) is read; nothing else of the environment is kept [default: off]' -r -f -a "on\t'It is read'
off\t'Environments are not read'"
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l self-test-interval -d 'Interval at which the agent makes small connections to test whether all hooks report events, 0: never [default: 1h]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l kubernetes -d 'Where the pods of this node are known from [default: auto]' -r -f -a "auto\t'In a pod, or where a server is given: the kubelet, else the API server; otherwise the links to logs'
kubelet\t'The kubelet, and the links to logs'
api\t'A watch of the API server, and the links to logs'
logs\t'The kubelet\'s links to logs alone (--pod-logs)'
off\t'Pods are not known'"
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l kubelet -d 'Address of the kubelet [default: https://NODE:10250]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l kubernetes-api -d 'Address of the API server [default: as the environment of a pod names it]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l kubernetes-credentials -d 'Folder with the files token and ca.crt for both [default: /var/run/secrets/kubernetes.io/serviceaccount]' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l node-name -d 'Name of this node in Kubernetes' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l pod-labels -d 'Labels of pods that records have, such as app,version' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l pod-annotations -d 'Annotations of pods that records have, such as example.com/team' -r
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -l kubernetes-cluster -d 'Also watch the pods, services, endpoint slices and nodes of the whole cluster, so that remote ends are named; about 1 kB of memory for each' -r -f -a "true\t''
false\t''"
complete -c pidflow -n "__fish_pidflow_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and not __fish_seen_subcommand_from man completions help" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and not __fish_seen_subcommand_from man completions help" -f -a "man" -d 'The man page, in roff'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and not __fish_seen_subcommand_from man completions help" -f -a "completions" -d 'Completions for a shell'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and not __fish_seen_subcommand_from man completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and __fish_seen_subcommand_from man" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and __fish_seen_subcommand_from completions" -s h -l help -d 'Print help'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "man" -d 'The man page, in roff'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "completions" -d 'Completions for a shell'
complete -c pidflow -n "__fish_pidflow_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "run" -d 'Capture live traffic and kernel events; on a terminal, show the live view'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "read" -d 'Read capture files (pcap, pcapng; gzip or zstd; - is standard input)'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "collect" -d 'Receive IPFIX, NetFlow v5 and v9 and sFlow v5 from routers and agents on other hosts'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "fields" -d 'List the elements of flow records'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "check" -d 'Check a configuration file, without starting anything'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "audit" -d 'Ask a running agent where every packet went, from the kernel\'s counters to the records'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "query" -d 'Search the history that `run --history` keeps, whether or not an agent is running'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "doctor" -d 'Check this host (kernel, hooks, interfaces) and report which data pidflow cannot collect on it'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "generate" -d 'Print the man page or shell completions'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and not __fish_seen_subcommand_from run read collect fields check audit query doctor generate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "man" -d 'The man page, in roff'
complete -c pidflow -n "__fish_pidflow_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "completions" -d 'Completions for a shell'
