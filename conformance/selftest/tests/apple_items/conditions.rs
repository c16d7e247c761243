//! Whether what stands under a `cfg` is compiled for a Mac.

use std::collections::BTreeSet;

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, MetaNameValue, Token};

/// Names that a `cfg` knows on a Mac: the compiler's, and those that the build scripts of `rustix` and `nix` set there.
const NAMES: [&str; 8] = [
    "unix",
    "test",
    "debug_assertions",
    "apple",
    "apple_targets",
    "bsd",
    "libc",
    "macos",
];

/// A Mac, for which a crate is compiled with these features.
#[derive(Clone, Default)]
pub struct AppleTarget {
    pub features: BTreeSet<String>,
    pub architecture: &'static str,
}

impl AppleTarget {
    /// Whether all `cfg` of these attributes hold.
    pub fn compiles(&self, attributes: &[Attribute]) -> bool {
        attributes.iter().all(|attribute| match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => list
                .parse_args::<Meta>()
                .is_ok_and(|condition| self.holds(&condition)),
            _ => true,
        })
    }

    /// The file that `#[path]` names, also under a `cfg_attr` that holds.
    pub fn path_of(&self, attributes: &[Attribute]) -> Option<String> {
        attributes.iter().find_map(|attribute| match &attribute.meta {
            Meta::NameValue(named) => path_value(named),
            Meta::List(list) if list.path.is_ident("cfg_attr") => {
                let all = Punctuated::<Meta, Token![,]>::parse_terminated;
                let all = all.parse2(list.tokens.clone()).ok()?;
                let mut all = all.into_iter();
                let condition = all.next()?;
                let named = all.filter_map(|meta| match meta {
                    Meta::NameValue(named) => path_value(&named),
                    _ => None,
                });
                self.holds(&condition).then(|| named.last()).flatten()
            }
            _ => None,
        })
    }

    pub fn holds(&self, condition: &Meta) -> bool {
        match condition {
            Meta::Path(path) => NAMES.iter().any(|name| path.is_ident(name)),
            Meta::NameValue(named) => self.has_value(named),
            Meta::List(list) => {
                let parts = Punctuated::<Meta, Token![,]>::parse_terminated;
                let parts = parts.parse2(list.tokens.clone()).unwrap_or_default();
                let mut parts = parts.iter().map(|part| self.holds(part));
                match list.path.get_ident().map(ToString::to_string).as_deref() {
                    Some("all") => parts.all(|part| part),
                    Some("any") => parts.any(|part| part),
                    Some("not") => parts.all(|part| !part),
                    _ => false,
                }
            }
        }
    }

    fn has_value(&self, named: &MetaNameValue) -> bool {
        let Some(value) = text_of(&named.value) else {
            return false;
        };
        match named.path.get_ident().map(ToString::to_string).as_deref() {
            Some("feature") => self.features.contains(&value),
            Some("target_os") => value == "macos",
            Some("target_vendor") => value == "apple",
            Some("target_family") => value == "unix",
            Some("target_arch") => value == self.architecture,
            Some("target_pointer_width") => value == "64",
            Some("target_endian") => value == "little",
            Some("target_env") => value.is_empty(),
            Some("panic") => value == "unwind",
            _ => false,
        }
    }
}

fn path_value(named: &MetaNameValue) -> Option<String> {
    named
        .path
        .is_ident("path")
        .then(|| text_of(&named.value))
        .flatten()
}

fn text_of(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => Some(text.value()),
        _ => None,
    }
}
