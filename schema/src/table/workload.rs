//! pidflow's own elements of what a process belongs to by the word of others: the names that a container engine has for its
//! container, and the service that its environment names. They are not sent in NetFlow v9, for the reason in `identity.rs`.

use crate::element::DataType as T;
use crate::element::Element;
use crate::element::Enterprise::Pidflow;
use crate::group::Group;

use super::build::row;
use super::process::{process, text};
use super::write::{container_mut, process_mut, set};

/// A text of the container.
macro_rules! container_row {
    ($f:ident, $end:literal, $side:literal, $group:ident, $id:expr, $name:literal, $ipfix:literal, $member:ident, $otel:expr, $doc:expr) => {
        row(concat!($end, $name), concat!($side, $ipfix), (Pidflow, $id), T::String, |r| {
            text(&process(&r.$f)?.container.as_ref()?.$member)
        })
        .writes(|r, v| set(v.shared_text(), |n| container_mut(&mut r.$f).$member = n))
        .not_in_v9()
        .group(Group::$group)
        .otel($otel)
        .doc($doc)
    };
}

/// The elements of one end, with the ids `$base` + 0 … 4.
macro_rules! end {
    ($f:ident, $end:literal, $side:literal, $otel:literal, $group:ident, $base:literal) => {
        [
            container_row!(
                $f,
                $end,
                $side,
                $group,
                $base,
                "_CONTAINER_NAME",
                "ContainerName",
                name,
                concat!($otel, ".container.name"),
                concat!(
                    "Name that Docker or Podman has for the container of the process at the ",
                    $otel,
                    " end (--docker-socket)."
                )
            ),
            container_row!(
                $f,
                $end,
                $side,
                $group,
                $base + 1,
                "_CONTAINER_IMAGE",
                "ContainerImage",
                image,
                concat!($otel, ".container.image.name"),
                concat!("Image of that container at the ", $otel, " end, as it was given at its creation.")
            ),
            container_row!(
                $f,
                $end,
                $side,
                $group,
                $base + 2,
                "_COMPOSE_PROJECT",
                "ComposeProject",
                compose_project,
                concat!("pidflow.", $otel, ".compose.project"),
                concat!(
                    "Docker Compose project of that container at the ",
                    $otel,
                    " end (its label com.docker.compose.project)."
                )
            ),
            container_row!(
                $f,
                $end,
                $side,
                $group,
                $base + 3,
                "_COMPOSE_SERVICE",
                "ComposeService",
                compose_service,
                concat!("pidflow.", $otel, ".compose.service"),
                concat!(
                    "Docker Compose service of that container at the ",
                    $otel,
                    " end (its label com.docker.compose.service)."
                )
            ),
            row(concat!($end, "_SERVICE_NAME"), concat!($side, "ServiceName"), (Pidflow, $base + 4), T::String, |r| {
                process(&r.$f).and_then(|p| text(&p.service_name))
            })
            .writes(|r, v| set(v.shared_text(), |n| process_mut(&mut r.$f).service_name = n))
            .not_in_v9()
            .group(Group::$group)
            .otel(concat!($otel, ".service.name"))
            .doc(concat!(
                "Service that the environment of the process at the ",
                $otel,
                " end names (OTEL_SERVICE_NAME, or service.name in OTEL_RESOURCE_ATTRIBUTES), with --service-names on."
            )),
        ]
    };
}

/// The source end's.
pub(super) const SOURCE: &[Element] = &end!(source, "SRC", "src", "source", Source, 182);
/// The destination end's.
pub(super) const DESTINATION: &[Element] = &end!(destination, "DST", "dst", "destination", Destination, 192);
