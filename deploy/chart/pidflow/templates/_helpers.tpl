{{- define "pidflow.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects: 50 characters at most, because some have a suffix. */}}
{{- define "pidflow.fullname" -}}
{{- $name := include "pidflow.name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "pidflow.selector" -}}
app.kubernetes.io/name: {{ include "pidflow.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pidflow.labels" -}}
{{ include "pidflow.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pidflow.serviceAccount" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "pidflow.fullname" .) "default" }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "pidflow.image" -}}
{{- $version := printf ":%s" (default .Chart.AppVersion .Values.image.tag) }}
{{- if .Values.image.digest }}{{ $version = printf "@%s" .Values.image.digest }}{{ end }}
{{- .Values.image.repository }}{{ $version }}
{{- end }}

{{/* The Secret with the API's token. */}}
{{- define "pidflow.tokenSecret" -}}
{{- .Values.api.token.value | empty | ternary .Values.api.token.existingSecret (printf "%s-token" (include "pidflow.fullname" .)) }}
{{- end }}

{{/* Not empty if the agent asks the kubelet or the API server. */}}
{{- define "pidflow.asks" -}}
{{- has .Values.kubernetes.source (list "kubelet" "api" "auto") | ternary "true" "" }}
{{- end }}

{{- define "pidflow.config" -}}
{{- if regexMatch "(?m)^\\s*\\[http\\]" .Values.config }}
{{- fail "config must not have the section [http]: use api, metrics and api.extraConfig" }}
{{- end }}
{{- .Values.config | trim }}

[http]
{{- if .Values.api.enabled }}
listen = "{{ .Values.api.listen }}:{{ .Values.api.port }}"
token-file = "/etc/pidflow-token/token"
{{- if .Values.api.tls.existingSecret }}
tls-cert = "/etc/pidflow-tls/tls.crt"
tls-key = "/etc/pidflow-tls/tls.key"
{{- end }}
{{- else }}
listen = "off"
{{- end }}
metrics-listen = "{{ .Values.metrics.listen }}:{{ .Values.metrics.port }}"
{{- with .Values.api.extraConfig }}
{{ trim . }}
{{- end }}
{{- end }}
