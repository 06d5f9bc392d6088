{{- define "unbraid.labels" -}}
app.kubernetes.io/name: unbraid
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "unbraid.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "unbraid.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "unbraid.environment" -}}
{{- range $name, $value := .Values.settings }}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "unbraid.mounts" -}}
- name: data
  mountPath: /data
- name: tmp
  mountPath: /tmp
{{- end }}

{{- define "unbraid.volumes" -}}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.cacheSize }}
- name: tmp
  emptyDir: {}
{{- end }}

{{/* A pool of workers. Arguments: root, pool (values), name, tag. */}}
{{- define "unbraid.pool" -}}
{{- $full := printf "%s-%s" .root.Release.Name .name }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $full }}
  labels:
    {{- include "unbraid.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  {{- if not .root.Values.autoscaling.enabled }}
  replicas: {{ .pool.minPods }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "unbraid.labels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "unbraid.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
    spec:
      serviceAccountName: {{ .root.Values.serviceAccount.name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ add .pool.drainSeconds 30 }}
      securityContext:
        {{- include "unbraid.podSecurity" .root | nindent 8 }}
      {{- with .root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .pool.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .pool.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: worker
          image: "{{ .root.Values.image.repository }}:{{ .tag }}"
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: [worker]
          env:
            - name: UNBRAID_WORKERS
              value: {{ .pool.songsPerPod | quote }}
            - name: UNBRAID_DRAIN_S
              value: {{ .pool.drainSeconds | quote }}
            - name: UNBRAID_NICE
              value: "0"
            {{- include "unbraid.environment" .root | nindent 12 }}
          envFrom:
            - secretRef:
                name: {{ required "existingSecret is missing: the name of a secret with UNBRAID_DATABASE_URL" .root.Values.existingSecret }}
          # The program replaces a worker that dies, and exits if it can't; it serves no requests.
          startupProbe:
            exec:
              command: [python3, -m, unbraid.container, health]
            periodSeconds: 5
            failureThreshold: 24
            timeoutSeconds: 10
          livenessProbe:
            exec:
              command: [python3, -m, unbraid.container, health]
            periodSeconds: 60
            timeoutSeconds: 10
          securityContext:
            {{- include "unbraid.containerSecurity" .root | nindent 12 }}
          resources:
            {{- toYaml .pool.resources | nindent 12 }}
          volumeMounts:
            {{- include "unbraid.mounts" .root | nindent 12 }}
      volumes:
        {{- include "unbraid.volumes" .root | nindent 8 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $full }}
  labels:
    {{- include "unbraid.labels" .root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "unbraid.labels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
{{- if .root.Values.autoscaling.enabled }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $full }}
  labels:
    {{- include "unbraid.labels" .root | nindent 4 }}
spec:
  scaleTargetRef:
    name: {{ $full }}
  minReplicaCount: {{ .pool.minPods }}
  maxReplicaCount: {{ .pool.maxPods }}
  pollingInterval: {{ .root.Values.autoscaling.pollingSeconds }}
  cooldownPeriod: {{ .root.Values.autoscaling.cooldownSeconds }}
  triggers:
    - type: postgresql
      metadata:
        # Waiting songs and songs in work: a pod isn't removed while its song is separated.
        query: "SELECT count(*) FROM sessions WHERE state IN ('PENDING', 'IN_PROGRESS')"
        targetQueryValue: {{ .pool.songsPerPod | quote }}
        activationTargetQueryValue: "0"
      authenticationRef:
        name: {{ .root.Release.Name }}-queue
{{- end }}
{{- end }}
