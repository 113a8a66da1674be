//! pidflow's own elements of the Kubernetes pod and service at an end of a flow. They are not sent in NetFlow v9: with its texts
//! of fixed length, a record of all elements would not fit into a packet.

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::Pidflow;
use crate::group::Group;
use crate::record::{OwnerBasis, PodDetails, ProcessEnd};
use crate::value::Value;

use super::build::row;
use super::process::text;
use super::write::{endpoint_mut, node_mut, owner_mut, pod_details_mut, service_mut, set, set_owner_of_kind};

fn details(end: &ProcessEnd) -> Option<&PodDetails> {
    end.pod()?.details.as_deref()
}

/// A pod's node belongs to the pod, so that it is where the pod is kept.
fn set_node_name(end: &mut ProcessEnd, name: std::sync::Arc<str>) {
    if end.pod().is_some() {
        pod_details_mut(end).node = name;
    } else {
        node_mut(end).name = name;
    }
}

fn owner_basis(end: &ProcessEnd) -> Option<Value<'_>> {
    let details = details(end)?;
    details.owner.as_ref().map(|_| Value::text(details.owner_basis.name()))
}

fn owner_of_kind<'a>(end: &'a ProcessEnd, kind: &str) -> Option<Value<'a>> {
    text(end.pod()?.owner_of_kind(kind)?)
}

/// A text of the topmost owner.
macro_rules! owner_row {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $group:ident, $id:expr, $name:literal, $ipfix:literal, $member:ident, $key:literal, $doc:literal) => {
        row(concat!($end, $name), concat!($side, $ipfix), (Pidflow, $id), T::String, |r| {
            text(&r.$f.pod()?.owner()?.$member)
        })
        .writes(|r, v| set(v.shared_text(), |n| owner_mut(&mut r.$f).$member = n))
        .not_in_v9()
        .group(Group::$group)
        .otel(concat!("pidflow.", $otel, $key))
        .doc(concat!($doc, " of the pod at the ", $otel, " end; see ", $end, "_K8S_OWNER_BASIS."))
    };
}

/// The name of an owner of one kind, under the name that OpenTelemetry has for it.
macro_rules! kind_row {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $group:ident, $id:expr, $name:literal, $kind:literal, $key:literal) => {
        row(concat!($end, "_K8S_", $name), concat!($side, "K8s", $kind), (Pidflow, $id), T::String, |r| {
            owner_of_kind(&r.$f, $kind)
        })
        .writes(|r, v| set(v.shared_text(), |n| set_owner_of_kind(&mut r.$f, $kind, n)))
        .not_in_v9()
        .group(Group::$group)
        .otel(concat!($otel, ".k8s.", $key, ".name"))
        .doc(concat!(
            "Name of the ",
            $kind,
            " that owns the pod at the ",
            $otel,
            " end, directly or through another owner."
        ))
    };
}

/// A text of what is known of the pod.
macro_rules! detail_row {
    ($f:ident, $end:literal, $side:literal, $group:ident, $id:expr, $name:literal, $ipfix:literal, $member:ident, $otel:expr, $doc:expr) => {
        row(concat!($end, $name), concat!($side, $ipfix), (Pidflow, $id), T::String, |r| text(&details(&r.$f)?.$member))
            .writes(|r, v| set(v.shared_text(), |n| pod_details_mut(&mut r.$f).$member = n))
            .not_in_v9()
            .group(Group::$group)
            .otel($otel)
            .doc($doc)
    };
}

/// A text of the node of an end, and of the services behind which it is.
macro_rules! place_row {
    ($f:ident, $end:literal, $side:literal, $group:ident, $id:expr, $name:literal, $ipfix:literal, $read:ident, $write:expr, $otel:expr, $doc:expr) => {
        row(concat!($end, $name), concat!($side, $ipfix), (Pidflow, $id), T::String, |r| text(r.$f.$read()?))
            .writes(|r, v| {
                let write: fn(&mut ProcessEnd, _) = $write;
                set(v.shared_text(), |n| write(&mut r.$f, n))
            })
            .not_in_v9()
            .group(Group::$group)
            .otel($otel)
            .doc($doc)
    };
}

/// The elements of one end, with the ids `$base` + 0 … 12, `$more` + 0 … 1 and `$noted`.
macro_rules! end {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $group:ident, $node:ident, $base:literal, $more:literal, $noted:literal) => {
        [
            owner_row!($f, $end, $side, $otel, $group, $base, "_K8S_OWNER_KIND", "K8sOwnerKind", kind, ".k8s.owner.kind", "Kind (such as Deployment, StatefulSet, DaemonSet, CronJob) of the topmost owner"),
            owner_row!($f, $end, $side, $otel, $group, $base + 1, "_K8S_OWNER", "K8sOwner", name, ".k8s.owner.name", "Name of the topmost owner"),
            row(concat!($end, "_K8S_OWNER_BASIS"), concat!($side, "K8sOwnerBasis"), (Pidflow, $base + 2), T::String, |r| owner_basis(&r.$f))
                .writes(|r, v| set(v.named(&OwnerBasis::ALL, OwnerBasis::name), |n| pod_details_mut(&mut r.$f).owner_basis = n))
                .not_in_v9()
                .group(Group::$group)
                .otel(concat!("pidflow.", $otel, ".k8s.owner.basis"))
                .doc(concat!("How the topmost owner of the pod at the ", $otel, " end is known: owner-reference (Kubernetes says so), controller-name (guessed from the name of a ReplicaSet or Job), pod-name (guessed from the pod's name).")),
            kind_row!($f, $end, $side, $otel, $group, $base + 3, "DEPLOYMENT", "Deployment", "deployment"),
            kind_row!($f, $end, $side, $otel, $group, $base + 4, "STATEFULSET", "StatefulSet", "statefulset"),
            kind_row!($f, $end, $side, $otel, $group, $base + 5, "DAEMONSET", "DaemonSet", "daemonset"),
            kind_row!($f, $end, $side, $otel, $group, $base + 6, "REPLICASET", "ReplicaSet", "replicaset"),
            kind_row!($f, $end, $side, $otel, $group, $base + 7, "JOB", "Job", "job"),
            kind_row!($f, $end, $side, $otel, $group, $base + 8, "CRONJOB", "CronJob", "cronjob"),
            place_row!($f, $end, $side, $node, $base + 9, "_K8S_NODE", "K8sNode", node_name, set_node_name, concat!($otel, ".k8s.node.name"), concat!("Name of the Kubernetes node that runs the pod at the ", $otel, " end, or has its address.")),
            detail_row!($f, $end, $side, $group, $base + 10, "_K8S_POD_UID", "K8sPodUid", uid, concat!($otel, ".k8s.pod.uid"), concat!("UID of the pod at the ", $otel, " end; no other pod ever has it.")),
            detail_row!($f, $end, $side, $group, $base + 11, "_K8S_POD_LABELS", "K8sPodLabels", labels, concat!("pidflow.", $otel, ".k8s.pod.labels"), concat!("The labels that --pod-labels names of the pod at the ", $otel, " end, as NAME=VALUE joined by commas.")),
            detail_row!($f, $end, $side, $group, $noted, "_K8S_POD_ANNOTATIONS", "K8sPodAnnotations", annotations, concat!("pidflow.", $otel, ".k8s.pod.annotations"), concat!("The annotations that --pod-annotations names of the pod at the ", $otel, " end, as NAME=VALUE joined by commas.")),
            row(concat!($end, "_K8S_SERVICE"), concat!($side, "K8sService"), (Pidflow, $base + 12), T::String, |r| text(&r.$f.service()?.name))
                .writes(|r, v| set(v.shared_text(), |n| service_mut(&mut r.$f).name = n))
                .not_in_v9()
                .group(Group::$group)
                .otel(concat!($otel, ".k8s.service.name"))
                .doc(concat!("Kubernetes service whose cluster address the ", $otel, " end of the flow has, before translation.")),
            place_row!($f, $end, $side, $node, $more, "_K8S_ZONE", "K8sZone", zone, |end, n| node_mut(end).zone = n, concat!($otel, ".cloud.availability_zone"), concat!("Zone of the Kubernetes node at the ", $otel, " end (its label topology.kubernetes.io/zone).")),
            place_row!($f, $end, $side, $node, $more + 1, "_K8S_ENDPOINT_OF", "K8sEndpointOf", backs, |end, n| endpoint_mut(end).backs = n, concat!("pidflow.", $otel, ".k8s.endpoint.services"), concat!("Kubernetes services of which address and port at the ", $otel, " end are an endpoint (EndpointSlice), as NAMESPACE/NAME joined by commas. The client may have asked for one of them, or for the endpoint itself.")),
        ]
    };
}

/// The source end's.
pub(super) const SOURCE: &[Element] = &end!(source, "SRC", "src", "source", SourcePod, SourceNode, 128, 180, 187);
/// The destination end's.
pub(super) const DESTINATION: &[Element] =
    &end!(destination, "DST", "dst", "destination", DestinationPod, DestinationNode, 144, 190, 197);
