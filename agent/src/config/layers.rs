//! Options in layers: flags over variables over the configuration file.

/// Gives a struct of optional members `over`: a member that this layer does not set is taken from the lower one.
macro_rules! layers {
    ($type:ident { options: $($one:ident),*; lists: $($many:ident),* }) => {
        impl $type {
            /// This layer over a lower one.
            pub(crate) fn over(self, lower: Self) -> Self {
                Self {
                    $($one: self.$one.or(lower.$one),)*
                    $($many: if self.$many.is_empty() { lower.$many } else { self.$many },)*
                }
            }
        }
    };
}
pub(super) use layers;
