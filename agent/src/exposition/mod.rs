//! Metric families as text, in the formats that scrapers read.

pub(crate) mod openmetrics;
