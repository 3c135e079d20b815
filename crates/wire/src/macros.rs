//! Write `Wire` for our types once, with the bytes visible where the type is declared.

/// `wire_struct!(Type { field, field });` encodes the fields in the order given.
#[macro_export]
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::Wire for $name {
            fn encode(&self, out: &mut ::alloc::vec::Vec<u8>) {
                $($crate::Wire::encode(&self.$field, out);)*
                let _ = out;
            }
            fn decode(from: &mut $crate::Reader<'_>) -> Result<Self, $crate::WireError> {
                let _ = &from;
                Ok($name { $($field: $crate::Wire::decode(from)?),* })
            }
        }
    };
}

/// `wire_enum!(Type, version 1 { 1 => Variant { field }, 2 => Other(inner), 3 => Unit });`
///
/// Each value starts with its kind byte and the version byte. A reader refuses kinds it does not know and
/// versions newer than its own; a field is added by raising the version, never in silence.
/// The crate that calls it needs `extern crate alloc;`.
///
/// A variant that has learned to say more keeps its bytes for what it could always say, so that older readers go on
/// reading it, and has a second kind for the rest: `9 => Variant { field, more } if *more, 1 => Variant { field,
/// more: absent }`. The first line that fits is the one written. After the colon stands what writes and reads the
/// field instead of [`Wire`](crate::Wire): a module (or type) with `encode` and `decode`.
#[macro_export]
macro_rules! wire_enum {
    ($name:ident, version $version:literal {
        $($kind:literal => $variant:ident
            $({ $($field:ident $(: $codec:ident)?),* $(,)? })?
            $(($($inner:ident),*))?
            $(if $guard:expr)?),* $(,)?
    }) => {
        impl $crate::Wire for $name {
            fn encode(&self, out: &mut ::alloc::vec::Vec<u8>) {
                match self {
                    $($name::$variant $({ $($field),* })? $(($($inner),*))? $(if $guard)? => {
                        out.push($kind);
                        out.push($version);
                        $($($crate::wire_field!(encode $field, out $(, $codec)?);)*)?
                        $($($crate::Wire::encode($inner, out);)*)?
                    })*
                }
            }
            fn decode(from: &mut $crate::Reader<'_>) -> Result<Self, $crate::WireError> {
                let kind = <u8 as $crate::Wire>::decode(from)?;
                let version = <u8 as $crate::Wire>::decode(from)?;
                if version != $version {
                    return Err($crate::WireError::UnknownVersion(stringify!($name), version));
                }
                match kind {
                    $($kind => Ok($name::$variant
                        $({ $($field: $crate::wire_field!(decode from $(, $codec)?)),* })?
                        $(($({ let $inner = $crate::Wire::decode(from)?; $inner }),*))?),)*
                    _ => Err($crate::WireError::UnknownKind(stringify!($name), kind)),
                }
            }
        }
    };
}

/// One field of [`wire_enum!`], by `Wire` or by what stands after its colon.
#[doc(hidden)]
#[macro_export]
macro_rules! wire_field {
    (encode $value:expr, $out:ident) => {
        $crate::Wire::encode($value, $out)
    };
    (encode $value:expr, $out:ident, $codec:ident) => {
        $codec::encode($value, $out)
    };
    (decode $from:ident) => {
        $crate::Wire::decode($from)?
    };
    (decode $from:ident, $codec:ident) => {
        $codec::decode($from)?
    };
}
