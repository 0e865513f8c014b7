//! The macros that turn rows into readers, writers and lists.

/// Makes the table of a struct: `table! { Ssp User { id: attr("userID"), … } }`.
///
/// Clauses may follow the rows: `until V1_2 in this order: a, b, …` where older versions want another
/// order than that of the rows (fields left out there are not written), and two for what crosses fields:
/// `before writing: f` with `f(&Self, &dyn Sink, &Context) -> Context` gives the rows another
/// context to write with; `after reading: g` with
/// `g(&mut Self, Element, &Context) -> Result<(), Fault>` settles what was read.
macro_rules! table {
    (
        $protocol:ident $type:ident { $($field:ident: $row:expr),* $(,)? }
        $(until $last:ident in this order: $($early:ident),+ $(,)?;)?
        $(before writing: $before:expr;)? $(after reading: $after:expr;)?
    ) => {
        impl $crate::wire::table::Form<$crate::wire::table::$protocol> for $type {
            fn read(
                element: $crate::wire::tree::Element<'_, '_>,
                context: &$crate::wire::table::Context<'_>,
            ) -> Result<Self, $crate::wire::Fault> {
                #[allow(unused_imports)] // a table does not use every word
                use $crate::wire::table::rows::*;
                // Every field is read before the first is unwrapped: so large values are moved once.
                $(let $field = $crate::wire::table::Row::<$crate::wire::table::$protocol, _>::read(
                    const { &$row }, element, context,
                );)*
                #[allow(unused_mut)] // mutable for the tables with an `after reading` clause
                let mut read = Ok(Self {
                    $($field: match $field {
                        Ok(value) => value,
                        Err(fault) => return Err(fault),
                    },)*
                });
                $(
                    let settle: fn(
                        &mut Self,
                        $crate::wire::tree::Element<'_, '_>,
                        &$crate::wire::table::Context<'_>,
                    ) -> Result<(), $crate::wire::Fault> = $after;
                    if let Ok(value) = &mut read {
                        if let Err(fault) = settle(value, element, context) {
                            read = Err(fault);
                        }
                    }
                )?
                read
            }

            #[allow(unused_variables)] // an empty table uses none of them
            fn write(
                &self,
                pass: $crate::wire::table::Pass,
                sink: &mut dyn $crate::wire::table::Sink,
                context: &$crate::wire::table::Context<'_>,
            ) {
                #[allow(unused_imports)] // a table does not use every word
                use $crate::wire::table::rows::*;
                $(
                    let context = &$before(self, &*sink, context);
                )?
                $(let $field = const { &$row };)*
                $(
                    if context.version <= $crate::imps::Version::$last {
                        $($crate::wire::table::Row::<$crate::wire::table::$protocol, _>::write(
                            $early, &self.$early, pass, sink, context,
                        );)+
                        return;
                    }
                )?
                $($crate::wire::table::Row::<$crate::wire::table::$protocol, _>::write(
                    $field, &self.$field, pass, sink, context,
                );)*
            }
        }

        impl $crate::wire::table::Table<$crate::wire::table::$protocol> for $type {
            fn rows() -> Vec<$crate::wire::table::RowInfo> {
                #[allow(unused_imports)] // a table does not use every word
                use $crate::wire::table::rows::*;
                vec![$($crate::wire::table::described(
                    $crate::wire::table::$protocol,
                    |value: &Self| &value.$field,
                    &$row,
                    stringify!($field),
                )),*]
            }
        }
    };
}

/// Makes the choice of an enum with one value per variant: `choice! { Ssp Author { User: one("User"), … } }`.
macro_rules! choice {
    ($protocol:ident $type:ident { $($variant:ident: $row:expr),* $(,)? }) => {
        impl $crate::wire::table::Choice<$crate::wire::table::$protocol> for $type {
            fn read_variant(
                element: $crate::wire::tree::Element<'_, '_>,
                context: &$crate::wire::table::Context<'_>,
            ) -> Option<Result<Self, $crate::wire::Fault>> {
                #[allow(unused_imports)] // a table does not use every word
                use $crate::wire::table::rows::*;
                $(
                    if let Some(read) = Arm::<$crate::wire::table::$protocol, _>::take(
                        const { &$row }, element, context,
                    ) {
                        return Some(read.map(Self::$variant));
                    }
                )*
                None
            }

            fn write_variant(
                &self,
                sink: &mut dyn $crate::wire::table::Sink,
                context: &$crate::wire::table::Context<'_>,
            ) {
                #[allow(unused_imports)] // a table does not use every word
                use $crate::wire::table::rows::*;
                match self {
                    $(Self::$variant(value) => Arm::<$crate::wire::table::$protocol, _>::put(
                        const { &$row }, value, sink, context,
                    ),)*
                }
            }

            fn names() -> Vec<&'static str> {
                #[allow(unused_imports)] // a table does not use every word
                use $crate::wire::table::rows::*;
                [$($crate::wire::table::arm_name(
                    $crate::wire::table::$protocol, Self::$variant, &$row,
                )),*].into_iter().flatten().collect()
            }
        }
    };
}

/// Gives boxed structs the form of what is in the box.
macro_rules! boxed {
    ($protocol:ident $($type:ident),+ $(,)?) => {$(
        impl $crate::wire::table::Form<$crate::wire::table::$protocol> for Box<$type> {
            fn read(
                element: $crate::wire::tree::Element<'_, '_>,
                context: &$crate::wire::table::Context<'_>,
            ) -> Result<Self, $crate::wire::Fault> {
                <$type as $crate::wire::table::Form<$crate::wire::table::$protocol>>::read(element, context)
                    .map(Box::new)
            }

            fn write(
                &self,
                pass: $crate::wire::table::Pass,
                sink: &mut dyn $crate::wire::table::Sink,
                context: &$crate::wire::table::Context<'_>,
            ) {
                $crate::wire::table::Form::<$crate::wire::table::$protocol>::write(
                    &**self, pass, sink, context,
                );
            }
        }
    )+};
}

/// Makes the list of primitives that a protocol has, as a zero-sized type with three functions:
///
/// ```text
/// primitives! { pub(crate) SspPrimitives of Ssp {
///     SendMessageRequest: "SendMessageRequest",          // Primitive::SendMessageRequest(value)
///     LogoutRequest: "LogoutRequest" empty,              // a variant without value
///     BlockEntityRequest: "BlockEntity-Request" | "BlockUser-Request",
///     GetListResponse: "GetListResponse" delegated,      // SSP, with the table that CSP has
/// } not served { "JoinGroupRequest", … } }
/// ```
///
/// `read(element, context) -> Carried`; `write(primitive, prelude, sink, context) -> bool`, which is
/// `false` for a primitive the protocol does not have, and calls `prelude` between the attributes
/// and the children; `names()`.
macro_rules! primitives {
    (
        $(#[$doc:meta])*
        $visibility:vis $list:ident of $protocol:ident {
            $($variant:ident: $name:literal $(| $also:literal)? $($shape:ident)?),* $(,)?
        } not served { $($unserved:literal),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $list;

        impl $list {
            /// Reads the primitive that this element is.
            $visibility fn read(
                element: $crate::wire::tree::Element<'_, '_>,
                context: &$crate::wire::table::Context<'_>,
            ) -> $crate::wire::Carried {
                use $crate::wire::tree::folded_hash;
                let hash = element.hash();
                $(
                    if hash == const { folded_hash($name) } $(|| hash == const { folded_hash($also) })? {
                        return $crate::wire::table::carried($name, $crate::wire::table::primitives!(
                            @read $protocol $variant element context $($shape)?
                        ));
                    }
                )*
                const UNSERVED: &[$crate::wire::tree::Name] =
                    &[$($crate::wire::tree::Name::new($unserved)),*];
                match UNSERVED.iter().find(|name| element.is(**name)) {
                    Some(name) => $crate::wire::Carried::NotServed(name.text),
                    None => $crate::wire::Carried::Unknown(element.name().chars().take(64).collect()),
                }
            }

            /// Writes the primitive; `false` if this protocol has no such primitive.
            $visibility fn write(
                primitive: &$crate::imps::Primitive,
                prelude: &mut dyn FnMut(&mut dyn $crate::wire::table::Sink),
                sink: &mut dyn $crate::wire::table::Sink,
                context: &$crate::wire::table::Context<'_>,
            ) -> bool {
                match primitive {
                    $($crate::wire::table::primitives!(@pattern $variant value $($shape)?) => {
                        sink.open($name);
                        $crate::wire::table::primitives!(@write $protocol value Attributes sink context $($shape)?);
                        prelude(&mut *sink);
                        $crate::wire::table::primitives!(@write $protocol value Children sink context $($shape)?);
                        sink.close();
                        true
                    })*
                    #[allow(unreachable_patterns)] // a protocol may have every primitive
                    _ => false,
                }
            }

            /// The element name of the primitive of this name ([`crate::imps::Primitive::name`]).
            #[allow(dead_code)] // a protocol may not care
            $visibility fn element_of(primitive: &str) -> Option<&'static str> {
                match primitive {
                    $(stringify!($variant) => Some($name),)*
                    _ => None,
                }
            }

            /// The element names that are served, in order.
            $visibility const NAMES: &'static [&'static str] = &[$($name),*];

            /// The element names that are served, and the word behind each in the list.
            #[allow(dead_code)] // a protocol may not care
            $visibility const SHAPES: &'static [(&'static str, &'static str)] =
                &[$(($name, concat!($(stringify!($shape))?))),*];

            /// The element names that are known and not served.
            $visibility const UNSERVED: &'static [&'static str] = &[$($unserved),*];
        }
    };
    (@read $protocol:ident $variant:ident $element:ident $context:ident) => {
        match $crate::wire::table::Form::<$crate::wire::table::$protocol>::read($element, $context) {
            Ok(value) => Ok(Box::new($crate::imps::Primitive::$variant(value))),
            Err(fault) => Err(fault),
        }
    };
    (@read $protocol:ident $variant:ident $element:ident $context:ident empty) => {
        Ok(Box::new($crate::imps::Primitive::$variant))
    };
    (@read $protocol:ident $variant:ident $element:ident $context:ident delegated) => {
        $crate::wire::table::delegated::read($element, $context)
            .map(|value| Box::new($crate::imps::Primitive::$variant(value)))
    };
    (@pattern $variant:ident $value:ident) => { $crate::imps::Primitive::$variant($value) };
    (@pattern $variant:ident $value:ident empty) => { $crate::imps::Primitive::$variant };
    (@pattern $variant:ident $value:ident delegated) => { $crate::imps::Primitive::$variant($value) };
    (@write $protocol:ident $value:ident $pass:ident $sink:ident $context:ident) => {
        $crate::wire::table::Form::<$crate::wire::table::$protocol>::write(
            $value, $crate::wire::table::Pass::$pass, $sink, $context,
        );
    };
    (@write $protocol:ident $value:ident $pass:ident $sink:ident $context:ident empty) => {};
    (@write $protocol:ident $value:ident $pass:ident $sink:ident $context:ident delegated) => {
        $crate::wire::table::delegated::write(
            $value, $crate::wire::table::Pass::$pass, $sink, $context,
        );
    };
}

pub(crate) use {boxed, choice, primitives, table};
