//! Schemas of query parameters, for the description.

/// Gives parameters the schemas that describe them.
macro_rules! schemas {
    ($($type:ident: $schema:expr;)*) => {$(
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }
        impl utoipa::ToSchema for $type {}
    )*};
}
pub(super) use schemas;
