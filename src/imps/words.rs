//! Enumerations whose values are fixed words of the standard or of the configuration.

/// Declares an enumeration whose values are fixed words of the standard.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$value_doc])* $value,)+ }

        impl $name {
            /// Every value, in the order of the standard.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::imps::words::UnknownWord;

            /// Trims and ignores ASCII case.
            fn from_str(text: &str) -> Result<Self, $crate::imps::words::UnknownWord> {
                let text = text.trim();
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str().eq_ignore_ascii_case(text))
                    .ok_or_else(|| $crate::imps::words::UnknownWord {
                        kind: stringify!($name),
                        found: text.chars().take(40).collect(),
                    })
            }
        }
    };
}
pub(crate) use words;

/// A word that is not one of the fixed words of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no {kind}")]
pub struct UnknownWord {
    /// Name of the enumeration.
    pub kind: &'static str,
    /// The first 40 characters of what was found.
    pub found: String,
}
