-- Generated from pidflow's element table by `cargo run -p pidflow-exporters --example mappings`.
-- wireshark -X lua_script:wireshark.lua, or copy it into the personal plugins folder. It adds a tree "pidflow" with
-- the elements that the NetFlow dissector shows as "Enterprise Private entry", one after the other as they come.
-- Templates of more than 60 elements: set the preference cflow.max_template_fields.
local pidflow = Proto("pidflow", "pidflow elements")
local entry = Field.new("cflow.enterprise_private_entry")
local ntop, own = {}, {}
ntop[78] = { field = ProtoField.uint8("pidflow.client_tcp_flags", "CLIENT_TCP_FLAGS"), text = false }
ntop[79] = { field = ProtoField.uint8("pidflow.server_tcp_flags", "SERVER_TCP_FLAGS"), text = false }
ntop[168] = { field = ProtoField.uint32("pidflow.src_proc_pid", "SRC_PROC_PID"), text = false }
ntop[169] = { field = ProtoField.string("pidflow.src_proc_name", "SRC_PROC_NAME"), text = true }
ntop[372] = { field = ProtoField.string("pidflow.src_proc_user_name", "SRC_PROC_USER_NAME"), text = true }
ntop[373] = { field = ProtoField.uint32("pidflow.src_father_proc_pid", "SRC_FATHER_PROC_PID"), text = false }
ntop[374] = { field = ProtoField.string("pidflow.src_father_proc_name", "SRC_FATHER_PROC_NAME"), text = true }
ntop[383] = { field = ProtoField.uint32("pidflow.src_proc_actual_memory", "SRC_PROC_ACTUAL_MEMORY"), text = false }
ntop[384] = { field = ProtoField.uint32("pidflow.src_proc_peak_memory", "SRC_PROC_PEAK_MEMORY"), text = false }
ntop[385] = { field = ProtoField.uint32("pidflow.src_proc_average_cpu_load", "SRC_PROC_AVERAGE_CPU_LOAD"), text = false }
ntop[386] = { field = ProtoField.uint32("pidflow.src_proc_num_page_faults", "SRC_PROC_NUM_PAGE_FAULTS"), text = false }
ntop[393] = { field = ProtoField.uint32("pidflow.src_proc_pctg_iowait", "SRC_PROC_PCTG_IOWAIT"), text = false }
ntop[375] = { field = ProtoField.uint32("pidflow.dst_proc_pid", "DST_PROC_PID"), text = false }
ntop[376] = { field = ProtoField.string("pidflow.dst_proc_name", "DST_PROC_NAME"), text = true }
ntop[377] = { field = ProtoField.string("pidflow.dst_proc_user_name", "DST_PROC_USER_NAME"), text = true }
ntop[378] = { field = ProtoField.uint32("pidflow.dst_father_proc_pid", "DST_FATHER_PROC_PID"), text = false }
ntop[379] = { field = ProtoField.string("pidflow.dst_father_proc_name", "DST_FATHER_PROC_NAME"), text = true }
ntop[387] = { field = ProtoField.uint32("pidflow.dst_proc_actual_memory", "DST_PROC_ACTUAL_MEMORY"), text = false }
ntop[388] = { field = ProtoField.uint32("pidflow.dst_proc_peak_memory", "DST_PROC_PEAK_MEMORY"), text = false }
ntop[389] = { field = ProtoField.uint32("pidflow.dst_proc_average_cpu_load", "DST_PROC_AVERAGE_CPU_LOAD"), text = false }
ntop[390] = { field = ProtoField.uint32("pidflow.dst_proc_num_page_faults", "DST_PROC_NUM_PAGE_FAULTS"), text = false }
ntop[394] = { field = ProtoField.uint32("pidflow.dst_proc_pctg_iowait", "DST_PROC_PCTG_IOWAIT"), text = false }
ntop[123] = { field = ProtoField.uint32("pidflow.client_nw_latency_ms", "CLIENT_NW_LATENCY_MS"), text = false }
ntop[124] = { field = ProtoField.uint32("pidflow.server_nw_latency_ms", "SERVER_NW_LATENCY_MS"), text = false }
ntop[425] = { field = ProtoField.uint32("pidflow.src_proc_uid", "SRC_PROC_UID"), text = false }
ntop[556] = { field = ProtoField.string("pidflow.src_proc_cmdline", "SRC_PROC_CMDLINE"), text = true }
ntop[558] = { field = ProtoField.string("pidflow.src_proc_container_id", "SRC_PROC_CONTAINER_ID"), text = true }
ntop[564] = { field = ProtoField.uint32("pidflow.src_father_proc_uid", "SRC_FATHER_PROC_UID"), text = false }
ntop[565] = { field = ProtoField.string("pidflow.src_father_proc_user_name", "SRC_FATHER_PROC_USER_NAME"), text = true }
ntop[426] = { field = ProtoField.uint32("pidflow.dst_proc_uid", "DST_PROC_UID"), text = false }
ntop[557] = { field = ProtoField.string("pidflow.dst_proc_cmdline", "DST_PROC_CMDLINE"), text = true }
ntop[559] = { field = ProtoField.string("pidflow.dst_proc_container_id", "DST_PROC_CONTAINER_ID"), text = true }
ntop[567] = { field = ProtoField.uint32("pidflow.dst_father_proc_uid", "DST_FATHER_PROC_UID"), text = false }
ntop[568] = { field = ProtoField.string("pidflow.dst_father_proc_user_name", "DST_FATHER_PROC_USER_NAME"), text = true }
own[1] = { field = ProtoField.string("pidflow.flow_end_detail", "FLOW_END_DETAIL"), text = true }
own[2] = { field = ProtoField.string("pidflow.initiator_basis", "INITIATOR_BASIS"), text = true }
own[3] = { field = ProtoField.uint16("pidflow.connect_error", "CONNECT_ERROR"), text = false }
own[15] = { field = ProtoField.uint8("pidflow.own_traffic", "OWN_TRAFFIC"), text = false }
own[4] = { field = ProtoField.uint32("pidflow.connect_microseconds", "CONNECT_MICROSECONDS"), text = false }
own[224] = { field = ProtoField.uint8("pidflow.ip_length_beyond_frame", "IP_LENGTH_BEYOND_FRAME"), text = false }
own[5] = { field = ProtoField.string("pidflow.host_name", "HOST_NAME"), text = true }
own[6] = { field = ProtoField.uint32("pidflow.host_cpu_load", "HOST_CPU_LOAD"), text = false }
own[7] = { field = ProtoField.uint32("pidflow.host_pctg_iowait", "HOST_PCTG_IOWAIT"), text = false }
own[16] = { field = ProtoField.string("pidflow.src_proc_attribution", "SRC_PROC_ATTRIBUTION"), text = true }
own[17] = { field = ProtoField.uint64("pidflow.src_proc_actual_memory_64", "SRC_PROC_ACTUAL_MEMORY_64"), text = false }
own[18] = { field = ProtoField.uint64("pidflow.src_proc_peak_memory_64", "SRC_PROC_PEAK_MEMORY_64"), text = false }
own[19] = { field = ProtoField.uint64("pidflow.src_proc_start_time", "SRC_PROC_START_TIME"), text = false }
own[20] = { field = ProtoField.string("pidflow.src_proc_ancestors", "SRC_PROC_ANCESTORS"), text = true }
own[21] = { field = ProtoField.string("pidflow.src_proc_executable", "SRC_PROC_EXECUTABLE"), text = true }
own[22] = { field = ProtoField.uint32("pidflow.src_network_namespace", "SRC_NETWORK_NAMESPACE"), text = false }
own[23] = { field = ProtoField.uint64("pidflow.src_flow_cpu_time", "SRC_FLOW_CPU_TIME"), text = false }
own[24] = { field = ProtoField.uint64("pidflow.src_flow_minor_faults", "SRC_FLOW_MINOR_FAULTS"), text = false }
own[25] = { field = ProtoField.uint64("pidflow.src_flow_major_faults", "SRC_FLOW_MAJOR_FAULTS"), text = false }
own[26] = { field = ProtoField.uint64("pidflow.src_flow_iowait_time", "SRC_FLOW_IOWAIT_TIME"), text = false }
own[27] = { field = ProtoField.uint32("pidflow.src_candidate_proc_pid", "SRC_CANDIDATE_PROC_PID"), text = false }
own[28] = { field = ProtoField.string("pidflow.src_candidate_proc_name", "SRC_CANDIDATE_PROC_NAME"), text = true }
own[29] = { field = ProtoField.string("pidflow.src_k8s_namespace", "SRC_K8S_NAMESPACE"), text = true }
own[30] = { field = ProtoField.string("pidflow.src_k8s_pod", "SRC_K8S_POD"), text = true }
own[31] = { field = ProtoField.string("pidflow.src_k8s_container", "SRC_K8S_CONTAINER"), text = true }
own[48] = { field = ProtoField.string("pidflow.dst_proc_attribution", "DST_PROC_ATTRIBUTION"), text = true }
own[49] = { field = ProtoField.uint64("pidflow.dst_proc_actual_memory_64", "DST_PROC_ACTUAL_MEMORY_64"), text = false }
own[50] = { field = ProtoField.uint64("pidflow.dst_proc_peak_memory_64", "DST_PROC_PEAK_MEMORY_64"), text = false }
own[51] = { field = ProtoField.uint64("pidflow.dst_proc_start_time", "DST_PROC_START_TIME"), text = false }
own[52] = { field = ProtoField.string("pidflow.dst_proc_ancestors", "DST_PROC_ANCESTORS"), text = true }
own[53] = { field = ProtoField.string("pidflow.dst_proc_executable", "DST_PROC_EXECUTABLE"), text = true }
own[54] = { field = ProtoField.uint32("pidflow.dst_network_namespace", "DST_NETWORK_NAMESPACE"), text = false }
own[55] = { field = ProtoField.uint64("pidflow.dst_flow_cpu_time", "DST_FLOW_CPU_TIME"), text = false }
own[56] = { field = ProtoField.uint64("pidflow.dst_flow_minor_faults", "DST_FLOW_MINOR_FAULTS"), text = false }
own[57] = { field = ProtoField.uint64("pidflow.dst_flow_major_faults", "DST_FLOW_MAJOR_FAULTS"), text = false }
own[58] = { field = ProtoField.uint64("pidflow.dst_flow_iowait_time", "DST_FLOW_IOWAIT_TIME"), text = false }
own[59] = { field = ProtoField.uint32("pidflow.dst_candidate_proc_pid", "DST_CANDIDATE_PROC_PID"), text = false }
own[60] = { field = ProtoField.string("pidflow.dst_candidate_proc_name", "DST_CANDIDATE_PROC_NAME"), text = true }
own[61] = { field = ProtoField.string("pidflow.dst_k8s_namespace", "DST_K8S_NAMESPACE"), text = true }
own[62] = { field = ProtoField.string("pidflow.dst_k8s_pod", "DST_K8S_POD"), text = true }
own[63] = { field = ProtoField.string("pidflow.dst_k8s_container", "DST_K8S_CONTAINER"), text = true }
own[32] = { field = ProtoField.uint32("pidflow.src_proc_real_uid", "SRC_PROC_REAL_UID"), text = false }
own[33] = { field = ProtoField.string("pidflow.src_proc_real_user_name", "SRC_PROC_REAL_USER_NAME"), text = true }
own[34] = { field = ProtoField.uint32("pidflow.src_proc_login_uid", "SRC_PROC_LOGIN_UID"), text = false }
own[35] = { field = ProtoField.string("pidflow.src_proc_login_user_name", "SRC_PROC_LOGIN_USER_NAME"), text = true }
own[36] = { field = ProtoField.uint32("pidflow.src_proc_login_session", "SRC_PROC_LOGIN_SESSION"), text = false }
own[37] = { field = ProtoField.uint32("pidflow.src_proc_inner_pid", "SRC_PROC_INNER_PID"), text = false }
own[38] = { field = ProtoField.uint8("pidflow.src_proc_executable_deleted", "SRC_PROC_EXECUTABLE_DELETED"), text = false }
own[39] = { field = ProtoField.string("pidflow.src_proc_container_runtime", "SRC_PROC_CONTAINER_RUNTIME"), text = true }
own[40] = { field = ProtoField.string("pidflow.src_proc_unit", "SRC_PROC_UNIT"), text = true }
own[41] = { field = ProtoField.string("pidflow.src_proc_user_unit", "SRC_PROC_USER_UNIT"), text = true }
own[42] = { field = ProtoField.string("pidflow.src_proc_slice", "SRC_PROC_SLICE"), text = true }
own[64] = { field = ProtoField.uint32("pidflow.dst_proc_real_uid", "DST_PROC_REAL_UID"), text = false }
own[65] = { field = ProtoField.string("pidflow.dst_proc_real_user_name", "DST_PROC_REAL_USER_NAME"), text = true }
own[66] = { field = ProtoField.uint32("pidflow.dst_proc_login_uid", "DST_PROC_LOGIN_UID"), text = false }
own[67] = { field = ProtoField.string("pidflow.dst_proc_login_user_name", "DST_PROC_LOGIN_USER_NAME"), text = true }
own[68] = { field = ProtoField.uint32("pidflow.dst_proc_login_session", "DST_PROC_LOGIN_SESSION"), text = false }
own[69] = { field = ProtoField.uint32("pidflow.dst_proc_inner_pid", "DST_PROC_INNER_PID"), text = false }
own[70] = { field = ProtoField.uint8("pidflow.dst_proc_executable_deleted", "DST_PROC_EXECUTABLE_DELETED"), text = false }
own[71] = { field = ProtoField.string("pidflow.dst_proc_container_runtime", "DST_PROC_CONTAINER_RUNTIME"), text = true }
own[72] = { field = ProtoField.string("pidflow.dst_proc_unit", "DST_PROC_UNIT"), text = true }
own[73] = { field = ProtoField.string("pidflow.dst_proc_user_unit", "DST_PROC_USER_UNIT"), text = true }
own[74] = { field = ProtoField.string("pidflow.dst_proc_slice", "DST_PROC_SLICE"), text = true }
own[182] = { field = ProtoField.string("pidflow.src_container_name", "SRC_CONTAINER_NAME"), text = true }
own[183] = { field = ProtoField.string("pidflow.src_container_image", "SRC_CONTAINER_IMAGE"), text = true }
own[184] = { field = ProtoField.string("pidflow.src_compose_project", "SRC_COMPOSE_PROJECT"), text = true }
own[185] = { field = ProtoField.string("pidflow.src_compose_service", "SRC_COMPOSE_SERVICE"), text = true }
own[186] = { field = ProtoField.string("pidflow.src_service_name", "SRC_SERVICE_NAME"), text = true }
own[192] = { field = ProtoField.string("pidflow.dst_container_name", "DST_CONTAINER_NAME"), text = true }
own[193] = { field = ProtoField.string("pidflow.dst_container_image", "DST_CONTAINER_IMAGE"), text = true }
own[194] = { field = ProtoField.string("pidflow.dst_compose_project", "DST_COMPOSE_PROJECT"), text = true }
own[195] = { field = ProtoField.string("pidflow.dst_compose_service", "DST_COMPOSE_SERVICE"), text = true }
own[196] = { field = ProtoField.string("pidflow.dst_service_name", "DST_SERVICE_NAME"), text = true }
own[8] = { field = ProtoField.string("pidflow.tunnel_kind", "TUNNEL_KIND"), text = true }
ntop[106] = { field = ProtoField.uint32("pidflow.upstream_tunnel_id", "UPSTREAM_TUNNEL_ID"), text = false }
ntop[120] = { field = ProtoField.uint32("pidflow.downstream_tunnel_id", "DOWNSTREAM_TUNNEL_ID"), text = false }
own[9] = { field = ProtoField.uint64("pidflow.tunnel_ipv4_src_addr", "TUNNEL_IPV4_SRC_ADDR"), text = false }
own[10] = { field = ProtoField.uint64("pidflow.tunnel_ipv4_dst_addr", "TUNNEL_IPV4_DST_ADDR"), text = false }
own[11] = { field = ProtoField.uint64("pidflow.tunnel_ipv6_src_addr", "TUNNEL_IPV6_SRC_ADDR"), text = false }
own[12] = { field = ProtoField.uint64("pidflow.tunnel_ipv6_dst_addr", "TUNNEL_IPV6_DST_ADDR"), text = false }
own[84] = { field = ProtoField.string("pidflow.flow_key", "FLOW_KEY"), text = true }
own[85] = { field = ProtoField.string("pidflow.flow_key_basis", "FLOW_KEY_BASIS"), text = true }
own[86] = { field = ProtoField.string("pidflow.community_id", "COMMUNITY_ID"), text = true }
own[111] = { field = ProtoField.string("pidflow.observer", "OBSERVER"), text = true }
own[112] = { field = ProtoField.uint32("pidflow.observer_network_namespace", "OBSERVER_NETWORK_NAMESPACE"), text = false }
ntop[118] = { field = ProtoField.uint16("pidflow.l7_proto", "L7_PROTO"), text = false }
ntop[119] = { field = ProtoField.string("pidflow.l7_proto_name", "L7_PROTO_NAME"), text = true }
own[80] = { field = ProtoField.string("pidflow.application_protocol", "APPLICATION_PROTOCOL"), text = true }
own[225] = { field = ProtoField.string("pidflow.application_request", "APPLICATION_REQUEST"), text = true }
ntop[188] = { field = ProtoField.string("pidflow.tls_server_name", "TLS_SERVER_NAME"), text = true }
own[81] = { field = ProtoField.string("pidflow.tls_alpn", "TLS_ALPN"), text = true }
own[82] = { field = ProtoField.string("pidflow.tls_version", "TLS_VERSION"), text = true }
ntop[576] = { field = ProtoField.string("pidflow.ja4c_hash", "JA4C_HASH"), text = true }
ntop[360] = { field = ProtoField.string("pidflow.http_method", "HTTP_METHOD"), text = true }
ntop[187] = { field = ProtoField.string("pidflow.http_host", "HTTP_HOST"), text = true }
ntop[180] = { field = ProtoField.string("pidflow.http_url", "HTTP_URL"), text = true }
ntop[181] = { field = ProtoField.uint16("pidflow.http_ret_code", "HTTP_RET_CODE"), text = false }
ntop[183] = { field = ProtoField.string("pidflow.http_ua", "HTTP_UA"), text = true }
own[226] = { field = ProtoField.uint32("pidflow.http_requests", "HTTP_REQUESTS"), text = false }
own[227] = { field = ProtoField.uint32("pidflow.http_latency_avg", "HTTP_LATENCY_AVG"), text = false }
own[228] = { field = ProtoField.uint64("pidflow.http_latency_total", "HTTP_LATENCY_TOTAL"), text = false }
own[229] = { field = ProtoField.uint32("pidflow.http_latency_max", "HTTP_LATENCY_MAX"), text = false }
ntop[205] = { field = ProtoField.string("pidflow.dns_query", "DNS_QUERY"), text = true }
ntop[207] = { field = ProtoField.uint8("pidflow.dns_query_type", "DNS_QUERY_TYPE"), text = false }
own[83] = { field = ProtoField.uint16("pidflow.dns_query_type_16", "DNS_QUERY_TYPE_16"), text = false }
ntop[208] = { field = ProtoField.uint8("pidflow.dns_ret_code", "DNS_RET_CODE"), text = false }
ntop[209] = { field = ProtoField.uint8("pidflow.dns_num_answers", "DNS_NUM_ANSWERS"), text = false }
ntop[398] = { field = ProtoField.string("pidflow.dns_response", "DNS_RESPONSE"), text = true }
ntop[491] = { field = ProtoField.string("pidflow.src_host_name", "SRC_HOST_NAME"), text = true }
ntop[492] = { field = ProtoField.string("pidflow.dst_host_name", "DST_HOST_NAME"), text = true }
ntop[109] = { field = ProtoField.uint32("pidflow.retransmitted_in_pkts", "RETRANSMITTED_IN_PKTS"), text = false }
ntop[127] = { field = ProtoField.uint32("pidflow.retransmitted_in_bytes", "RETRANSMITTED_IN_BYTES"), text = false }
ntop[111] = { field = ProtoField.uint32("pidflow.ooorder_in_pkts", "OOORDER_IN_PKTS"), text = false }
own[87] = { field = ProtoField.uint64("pidflow.lost_in_bytes", "LOST_IN_BYTES"), text = false }
own[89] = { field = ProtoField.uint64("pidflow.uncaptured_in_bytes", "UNCAPTURED_IN_BYTES"), text = false }
own[91] = { field = ProtoField.uint32("pidflow.duplicate_ack_in_pkts", "DUPLICATE_ACK_IN_PKTS"), text = false }
own[93] = { field = ProtoField.uint32("pidflow.zero_window_in_pkts", "ZERO_WINDOW_IN_PKTS"), text = false }
own[95] = { field = ProtoField.uint32("pidflow.syn_retransmitted_in_pkts", "SYN_RETRANSMITTED_IN_PKTS"), text = false }
own[97] = { field = ProtoField.uint32("pidflow.timeout_retransmitted_in_pkts", "TIMEOUT_RETRANSMITTED_IN_PKTS"), text = false }
own[99] = { field = ProtoField.uint32("pidflow.congestion_marked_in_pkts", "CONGESTION_MARKED_IN_PKTS"), text = false }
ntop[415] = { field = ProtoField.uint16("pidflow.tcp_win_min_in", "TCP_WIN_MIN_IN"), text = false }
ntop[416] = { field = ProtoField.uint16("pidflow.tcp_win_max_in", "TCP_WIN_MAX_IN"), text = false }
ntop[417] = { field = ProtoField.uint16("pidflow.tcp_win_mss_in", "TCP_WIN_MSS_IN"), text = false }
ntop[418] = { field = ProtoField.uint8("pidflow.tcp_win_scale_in", "TCP_WIN_SCALE_IN"), text = false }
own[101] = { field = ProtoField.uint32("pidflow.tcp_rtt_min_in", "TCP_RTT_MIN_IN"), text = false }
own[103] = { field = ProtoField.uint32("pidflow.tcp_rtt_smoothed_in", "TCP_RTT_SMOOTHED_IN"), text = false }
ntop[110] = { field = ProtoField.uint32("pidflow.retransmitted_out_pkts", "RETRANSMITTED_OUT_PKTS"), text = false }
ntop[128] = { field = ProtoField.uint32("pidflow.retransmitted_out_bytes", "RETRANSMITTED_OUT_BYTES"), text = false }
ntop[112] = { field = ProtoField.uint32("pidflow.ooorder_out_pkts", "OOORDER_OUT_PKTS"), text = false }
own[88] = { field = ProtoField.uint64("pidflow.lost_out_bytes", "LOST_OUT_BYTES"), text = false }
own[90] = { field = ProtoField.uint64("pidflow.uncaptured_out_bytes", "UNCAPTURED_OUT_BYTES"), text = false }
own[92] = { field = ProtoField.uint32("pidflow.duplicate_ack_out_pkts", "DUPLICATE_ACK_OUT_PKTS"), text = false }
own[94] = { field = ProtoField.uint32("pidflow.zero_window_out_pkts", "ZERO_WINDOW_OUT_PKTS"), text = false }
own[96] = { field = ProtoField.uint32("pidflow.syn_retransmitted_out_pkts", "SYN_RETRANSMITTED_OUT_PKTS"), text = false }
own[98] = { field = ProtoField.uint32("pidflow.timeout_retransmitted_out_pkts", "TIMEOUT_RETRANSMITTED_OUT_PKTS"), text = false }
own[100] = { field = ProtoField.uint32("pidflow.congestion_marked_out_pkts", "CONGESTION_MARKED_OUT_PKTS"), text = false }
ntop[419] = { field = ProtoField.uint16("pidflow.tcp_win_min_out", "TCP_WIN_MIN_OUT"), text = false }
ntop[420] = { field = ProtoField.uint16("pidflow.tcp_win_max_out", "TCP_WIN_MAX_OUT"), text = false }
ntop[421] = { field = ProtoField.uint16("pidflow.tcp_win_mss_out", "TCP_WIN_MSS_OUT"), text = false }
ntop[422] = { field = ProtoField.uint8("pidflow.tcp_win_scale_out", "TCP_WIN_SCALE_OUT"), text = false }
own[102] = { field = ProtoField.uint32("pidflow.tcp_rtt_min_out", "TCP_RTT_MIN_OUT"), text = false }
own[104] = { field = ProtoField.uint32("pidflow.tcp_rtt_smoothed_out", "TCP_RTT_SMOOTHED_OUT"), text = false }
own[105] = { field = ProtoField.string("pidflow.tcp_state", "TCP_STATE"), text = true }
own[106] = { field = ProtoField.string("pidflow.tcp_ended_by", "TCP_ENDED_BY"), text = true }
ntop[125] = { field = ProtoField.uint32("pidflow.appl_latency_ms", "APPL_LATENCY_MS"), text = false }
own[107] = { field = ProtoField.uint32("pidflow.appl_latency", "APPL_LATENCY"), text = false }
own[108] = { field = ProtoField.uint32("pidflow.appl_exchanges", "APPL_EXCHANGES"), text = false }
own[109] = { field = ProtoField.uint64("pidflow.appl_latency_total", "APPL_LATENCY_TOTAL"), text = false }
own[110] = { field = ProtoField.uint32("pidflow.appl_latency_max", "APPL_LATENCY_MAX"), text = false }
ntop[88] = { field = ProtoField.uint32("pidflow.num_pkts_up_to_128_bytes", "NUM_PKTS_UP_TO_128_BYTES"), text = false }
own[200] = { field = ProtoField.uint32("pidflow.num_pkts_up_to_128_bytes_in", "NUM_PKTS_UP_TO_128_BYTES_IN"), text = false }
own[201] = { field = ProtoField.uint32("pidflow.num_pkts_up_to_128_bytes_out", "NUM_PKTS_UP_TO_128_BYTES_OUT"), text = false }
ntop[89] = { field = ProtoField.uint32("pidflow.num_pkts_128_to_256_bytes", "NUM_PKTS_128_TO_256_BYTES"), text = false }
own[202] = { field = ProtoField.uint32("pidflow.num_pkts_128_to_256_bytes_in", "NUM_PKTS_128_TO_256_BYTES_IN"), text = false }
own[203] = { field = ProtoField.uint32("pidflow.num_pkts_128_to_256_bytes_out", "NUM_PKTS_128_TO_256_BYTES_OUT"), text = false }
ntop[90] = { field = ProtoField.uint32("pidflow.num_pkts_256_to_512_bytes", "NUM_PKTS_256_TO_512_BYTES"), text = false }
own[204] = { field = ProtoField.uint32("pidflow.num_pkts_256_to_512_bytes_in", "NUM_PKTS_256_TO_512_BYTES_IN"), text = false }
own[205] = { field = ProtoField.uint32("pidflow.num_pkts_256_to_512_bytes_out", "NUM_PKTS_256_TO_512_BYTES_OUT"), text = false }
ntop[91] = { field = ProtoField.uint32("pidflow.num_pkts_512_to_1024_bytes", "NUM_PKTS_512_TO_1024_BYTES"), text = false }
own[206] = { field = ProtoField.uint32("pidflow.num_pkts_512_to_1024_bytes_in", "NUM_PKTS_512_TO_1024_BYTES_IN"), text = false }
own[207] = { field = ProtoField.uint32("pidflow.num_pkts_512_to_1024_bytes_out", "NUM_PKTS_512_TO_1024_BYTES_OUT"), text = false }
ntop[92] = { field = ProtoField.uint32("pidflow.num_pkts_1024_to_1514_bytes", "NUM_PKTS_1024_TO_1514_BYTES"), text = false }
own[208] = { field = ProtoField.uint32("pidflow.num_pkts_1024_to_1514_bytes_in", "NUM_PKTS_1024_TO_1514_BYTES_IN"), text = false }
own[209] = { field = ProtoField.uint32("pidflow.num_pkts_1024_to_1514_bytes_out", "NUM_PKTS_1024_TO_1514_BYTES_OUT"), text = false }
ntop[93] = { field = ProtoField.uint32("pidflow.num_pkts_over_1514_bytes", "NUM_PKTS_OVER_1514_BYTES"), text = false }
own[210] = { field = ProtoField.uint32("pidflow.num_pkts_over_1514_bytes_in", "NUM_PKTS_OVER_1514_BYTES_IN"), text = false }
own[211] = { field = ProtoField.uint32("pidflow.num_pkts_over_1514_bytes_out", "NUM_PKTS_OVER_1514_BYTES_OUT"), text = false }
own[220] = { field = ProtoField.uint8("pidflow.dscp_changed_in", "DSCP_CHANGED_IN"), text = false }
own[222] = { field = ProtoField.uint8("pidflow.ecn_seen_in", "ECN_SEEN_IN"), text = false }
own[221] = { field = ProtoField.uint8("pidflow.dscp_changed_out", "DSCP_CHANGED_OUT"), text = false }
own[223] = { field = ProtoField.uint8("pidflow.ecn_seen_out", "ECN_SEEN_OUT"), text = false }
ntop[531] = { field = ProtoField.uint32("pidflow.src_to_dst_iat_min", "SRC_TO_DST_IAT_MIN"), text = false }
ntop[532] = { field = ProtoField.uint32("pidflow.src_to_dst_iat_max", "SRC_TO_DST_IAT_MAX"), text = false }
ntop[533] = { field = ProtoField.uint32("pidflow.src_to_dst_iat_avg", "SRC_TO_DST_IAT_AVG"), text = false }
ntop[534] = { field = ProtoField.uint32("pidflow.src_to_dst_iat_stddev", "SRC_TO_DST_IAT_STDDEV"), text = false }
own[212] = { field = ProtoField.uint64("pidflow.iat_min_in", "IAT_MIN_IN"), text = false }
own[214] = { field = ProtoField.uint64("pidflow.iat_max_in", "IAT_MAX_IN"), text = false }
own[216] = { field = ProtoField.uint64("pidflow.iat_avg_in", "IAT_AVG_IN"), text = false }
own[218] = { field = ProtoField.uint64("pidflow.iat_stddev_in", "IAT_STDDEV_IN"), text = false }
ntop[535] = { field = ProtoField.uint32("pidflow.dst_to_src_iat_min", "DST_TO_SRC_IAT_MIN"), text = false }
ntop[536] = { field = ProtoField.uint32("pidflow.dst_to_src_iat_max", "DST_TO_SRC_IAT_MAX"), text = false }
ntop[537] = { field = ProtoField.uint32("pidflow.dst_to_src_iat_avg", "DST_TO_SRC_IAT_AVG"), text = false }
ntop[538] = { field = ProtoField.uint32("pidflow.dst_to_src_iat_stddev", "DST_TO_SRC_IAT_STDDEV"), text = false }
own[213] = { field = ProtoField.uint64("pidflow.iat_min_out", "IAT_MIN_OUT"), text = false }
own[215] = { field = ProtoField.uint64("pidflow.iat_max_out", "IAT_MAX_OUT"), text = false }
own[217] = { field = ProtoField.uint64("pidflow.iat_avg_out", "IAT_AVG_OUT"), text = false }
own[219] = { field = ProtoField.uint64("pidflow.iat_stddev_out", "IAT_STDDEV_OUT"), text = false }
own[128] = { field = ProtoField.string("pidflow.src_k8s_owner_kind", "SRC_K8S_OWNER_KIND"), text = true }
own[129] = { field = ProtoField.string("pidflow.src_k8s_owner", "SRC_K8S_OWNER"), text = true }
own[130] = { field = ProtoField.string("pidflow.src_k8s_owner_basis", "SRC_K8S_OWNER_BASIS"), text = true }
own[131] = { field = ProtoField.string("pidflow.src_k8s_deployment", "SRC_K8S_DEPLOYMENT"), text = true }
own[132] = { field = ProtoField.string("pidflow.src_k8s_statefulset", "SRC_K8S_STATEFULSET"), text = true }
own[133] = { field = ProtoField.string("pidflow.src_k8s_daemonset", "SRC_K8S_DAEMONSET"), text = true }
own[134] = { field = ProtoField.string("pidflow.src_k8s_replicaset", "SRC_K8S_REPLICASET"), text = true }
own[135] = { field = ProtoField.string("pidflow.src_k8s_job", "SRC_K8S_JOB"), text = true }
own[136] = { field = ProtoField.string("pidflow.src_k8s_cronjob", "SRC_K8S_CRONJOB"), text = true }
own[137] = { field = ProtoField.string("pidflow.src_k8s_node", "SRC_K8S_NODE"), text = true }
own[138] = { field = ProtoField.string("pidflow.src_k8s_pod_uid", "SRC_K8S_POD_UID"), text = true }
own[139] = { field = ProtoField.string("pidflow.src_k8s_pod_labels", "SRC_K8S_POD_LABELS"), text = true }
own[187] = { field = ProtoField.string("pidflow.src_k8s_pod_annotations", "SRC_K8S_POD_ANNOTATIONS"), text = true }
own[140] = { field = ProtoField.string("pidflow.src_k8s_service", "SRC_K8S_SERVICE"), text = true }
own[180] = { field = ProtoField.string("pidflow.src_k8s_zone", "SRC_K8S_ZONE"), text = true }
own[181] = { field = ProtoField.string("pidflow.src_k8s_endpoint_of", "SRC_K8S_ENDPOINT_OF"), text = true }
own[144] = { field = ProtoField.string("pidflow.dst_k8s_owner_kind", "DST_K8S_OWNER_KIND"), text = true }
own[145] = { field = ProtoField.string("pidflow.dst_k8s_owner", "DST_K8S_OWNER"), text = true }
own[146] = { field = ProtoField.string("pidflow.dst_k8s_owner_basis", "DST_K8S_OWNER_BASIS"), text = true }
own[147] = { field = ProtoField.string("pidflow.dst_k8s_deployment", "DST_K8S_DEPLOYMENT"), text = true }
own[148] = { field = ProtoField.string("pidflow.dst_k8s_statefulset", "DST_K8S_STATEFULSET"), text = true }
own[149] = { field = ProtoField.string("pidflow.dst_k8s_daemonset", "DST_K8S_DAEMONSET"), text = true }
own[150] = { field = ProtoField.string("pidflow.dst_k8s_replicaset", "DST_K8S_REPLICASET"), text = true }
own[151] = { field = ProtoField.string("pidflow.dst_k8s_job", "DST_K8S_JOB"), text = true }
own[152] = { field = ProtoField.string("pidflow.dst_k8s_cronjob", "DST_K8S_CRONJOB"), text = true }
own[153] = { field = ProtoField.string("pidflow.dst_k8s_node", "DST_K8S_NODE"), text = true }
own[154] = { field = ProtoField.string("pidflow.dst_k8s_pod_uid", "DST_K8S_POD_UID"), text = true }
own[155] = { field = ProtoField.string("pidflow.dst_k8s_pod_labels", "DST_K8S_POD_LABELS"), text = true }
own[197] = { field = ProtoField.string("pidflow.dst_k8s_pod_annotations", "DST_K8S_POD_ANNOTATIONS"), text = true }
own[156] = { field = ProtoField.string("pidflow.dst_k8s_service", "DST_K8S_SERVICE"), text = true }
own[190] = { field = ProtoField.string("pidflow.dst_k8s_zone", "DST_K8S_ZONE"), text = true }
own[191] = { field = ProtoField.string("pidflow.dst_k8s_endpoint_of", "DST_K8S_ENDPOINT_OF"), text = true }
own[157] = { field = ProtoField.uint32("pidflow.sampling_rate", "SAMPLING_RATE"), text = false }
own[158] = { field = ProtoField.string("pidflow.other_elements", "OTHER_ELEMENTS"), text = true }
own[170] = { field = ProtoField.string("pidflow.collector_path", "COLLECTOR_PATH"), text = true }
own[159] = { field = ProtoField.uint8("pidflow.is_glued", "IS_GLUED"), text = false }
own[160] = { field = ProtoField.string("pidflow.src_observer", "SRC_OBSERVER"), text = true }
own[161] = { field = ProtoField.string("pidflow.src_observer_host", "SRC_OBSERVER_HOST"), text = true }
own[162] = { field = ProtoField.string("pidflow.dst_observer", "DST_OBSERVER"), text = true }
own[163] = { field = ProtoField.string("pidflow.dst_observer_host", "DST_OBSERVER_HOST"), text = true }
own[164] = { field = ProtoField.string("pidflow.observers", "OBSERVERS"), text = true }
own[165] = { field = ProtoField.uint32("pidflow.glued_records", "GLUED_RECORDS"), text = false }
own[166] = { field = ProtoField.int64("pidflow.in_pkts_lost", "IN_PKTS_LOST"), text = false }
own[167] = { field = ProtoField.int64("pidflow.in_bytes_lost", "IN_BYTES_LOST"), text = false }
own[168] = { field = ProtoField.int64("pidflow.out_pkts_lost", "OUT_PKTS_LOST"), text = false }
own[169] = { field = ProtoField.int64("pidflow.out_bytes_lost", "OUT_BYTES_LOST"), text = false }

pidflow.fields = {}
for _, of in ipairs({ ntop, own }) do
  for _, element in pairs(of) do table.insert(pidflow.fields, element.field) end
end

function pidflow.dissector(_, _, tree)
  local subtree
  for _, info in ipairs({ entry() }) do
    local vendor, id = info.display:match("^%((.-)%) Type (%d+):")
    local element = id and (vendor == "ntop" and ntop or own)[tonumber(id)]
    if element then
      subtree = subtree or tree:add(pidflow)
      local range = info.range
      if element.text then
        subtree:add(element.field, range, range:string())
      else
        subtree:add(element.field, range)
      end
    end
  end
end

register_postdissector(pidflow, true)
