//! The names in items, and in the macros that these crates make items by: `cfg_if!`, `feature!`, and those of flags and
//! enumerations, of which each member can have a `cfg` of its own.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::{Attribute, ForeignItem, Item, ItemMacro, Meta};

use crate::conditions::AppleTarget;

/// What a macro makes.
pub enum MacroContents {
    Items(Vec<Item>),
    Names(MacroNames),
}

#[derive(Default)]
pub struct MacroNames {
    pub items: BTreeSet<String>,
    pub members: BTreeMap<String, BTreeSet<String>>,
    pub foreign_members: BTreeMap<String, BTreeSet<String>>,
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The names that a plain item brings.
pub fn names(item: &Item, target: &AppleTarget) -> Vec<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::ExternCrate(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::ForeignMod(item) => {
            let names = item.items.iter().filter_map(|item| match item {
                ForeignItem::Fn(item) => target.compiles(&item.attrs).then(|| item.sig.ident.to_string()),
                ForeignItem::Static(item) => target.compiles(&item.attrs).then(|| item.ident.to_string()),
                _ => None,
            });
            return names.collect();
        }
        _ => return Vec::new(),
    };
    vec![name.to_string()]
}

pub fn is_exported(item: &ItemMacro) -> bool {
    item.attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("macro_export"))
}

pub fn contents(item: &ItemMacro, target: &AppleTarget) -> MacroContents {
    let name = item
        .mac
        .path
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    let tokens = item.mac.tokens.clone();
    match name.as_deref() {
        Some("cfg_if") => MacroContents::Items(chosen_branch(tokens, target)),
        Some("feature") => MacroContents::Items(under_features(tokens, target)),
        Some("macro_rules") => {
            let items = item.ident.iter().map(ToString::to_string).collect();
            let names = MacroNames {
                items,
                ..MacroNames::default()
            };
            MacroContents::Names(names)
        }
        _ => {
            let mut names = MacroNames::default();
            scan_items(tokens, target, &mut names);
            MacroContents::Names(names)
        }
    }
}

/// The items of the branch of `cfg_if!` that is compiled.
fn chosen_branch(tokens: TokenStream, target: &AppleTarget) -> Vec<Item> {
    let mut holds = true;
    for token in tokens {
        let TokenTree::Group(group) = token else { continue };
        match group.delimiter() {
            Delimiter::Bracket => holds = attribute_holds(&group, target),
            Delimiter::Brace if holds => return items_of(group.stream()),
            // What follows is `else`, which may have a condition of its own.
            Delimiter::Brace => holds = true,
            _ => {}
        }
    }
    Vec::new()
}

/// The items of `feature!`, whose condition is an attribute at its beginning.
fn under_features(tokens: TokenStream, target: &AppleTarget) -> Vec<Item> {
    let mut tokens = tokens.into_iter();
    let condition = tokens.by_ref().find_map(|token| match token {
        TokenTree::Group(group) => Some(group),
        _ => None,
    });
    let condition = condition.and_then(|group| syn::parse2::<Meta>(group.stream()).ok());
    match condition.is_some_and(|condition| target.holds(&condition)) {
        true => items_of(tokens.collect()),
        false => Vec::new(),
    }
}

fn items_of(tokens: TokenStream) -> Vec<Item> {
    let parsed = syn::parse2::<syn::File>(tokens);
    parsed.map(|file| file.items).unwrap_or_default()
}

/// Whether an attribute is no `cfg`, or one that holds.
fn attribute_holds(group: &Group, target: &AppleTarget) -> bool {
    let tokens: TokenStream = [
        TokenTree::Punct(proc_macro2::Punct::new('#', proc_macro2::Spacing::Alone)),
        TokenTree::Group(group.clone()),
    ]
    .into_iter()
    .collect();
    let parsed = Attribute::parse_outer.parse2(tokens);
    parsed.is_ok_and(|attributes| target.compiles(&attributes))
}

/// Every `struct NAME`, `fn NAME` and so on, with the members of what has braces.
fn scan_items(tokens: TokenStream, target: &AppleTarget, names: &mut MacroNames) {
    const KEYWORDS: [&str; 7] = ["struct", "enum", "union", "fn", "const", "static", "type"];
    let mut tokens = tokens.into_iter().peekable();
    let (mut holds, mut open) = (true, None);
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                holds &= attribute_holds(&group, target);
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                if let Some(name) = open.take() {
                    scan_members(name, holds, group.stream(), target, names);
                }
                holds = true;
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => (holds, open) = (true, None),
            TokenTree::Ident(word) if KEYWORDS.iter().any(|keyword| word == keyword) => {
                if let Some(TokenTree::Ident(name)) = tokens.peek() {
                    let name = name.to_string();
                    if holds {
                        names.items.insert(name.clone());
                    }
                    open = Some(name);
                }
            }
            _ => {}
        }
    }
}

/// Every member in upper case at its beginning: a constant, or a variant.
fn scan_members(
    name: String,
    holds: bool,
    tokens: TokenStream,
    target: &AppleTarget,
    names: &mut MacroNames,
) {
    let (mut compiled, mut is_named) = (holds, false);
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                compiled &= attribute_holds(&group, target);
            }
            TokenTree::Punct(mark) if [',', ';'].contains(&mark.as_char()) => {
                (compiled, is_named) = (holds, false);
            }
            TokenTree::Ident(word) if !is_named => {
                let word = word.to_string();
                if !word.starts_with(|first: char| first.is_ascii_uppercase()) {
                    continue;
                }
                is_named = true;
                let members = match compiled {
                    true => &mut names.members,
                    false => &mut names.foreign_members,
                };
                members.entry(name.clone()).or_default().insert(word);
            }
            _ => {}
        }
    }
}
