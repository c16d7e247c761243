//! The modules of a crate as the compiler finds them, from its roots on, without what is compiled for tests alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::{Attribute, Item, Meta};

use crate::common::root;

/// A module's path below its crate; empty for the crate's root.
pub type ModulePath = Vec<String>;

pub struct SourceTree {
    pub crate_name: &'static str,
    /// Of each module: its items without tests. The root holds those of `lib.rs` and of `main.rs`.
    pub modules: BTreeMap<ModulePath, Vec<Item>>,
}

impl SourceTree {
    /// `folder`: of the package, below the workspace.
    pub fn read(crate_name: &'static str, folder: &str) -> SourceTree {
        let mut tree = SourceTree {
            crate_name,
            modules: BTreeMap::new(),
        };
        let source = root().join(folder).join("src");
        let roots = ["lib.rs", "main.rs"].map(|name| source.join(name));
        for root in roots.iter().filter(|root| root.is_file()) {
            tree.add(root, &source, Vec::new());
        }
        assert!(
            tree.modules.len() > 10,
            "{folder}: the scan looks in the wrong place"
        );
        tree
    }

    /// `children`: the folder that holds the files of the module's own modules.
    fn add(&mut self, file: &Path, children: &Path, path: ModulePath) {
        let text = fs::read_to_string(file).expect("a source file");
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = parsed.items.into_iter().filter(|item| !is_for_tests(item));
        for item in items {
            if let Item::Mod(module) = &item
                && module.content.is_none()
            {
                let name = module.ident.to_string();
                let folder = children.join(&name);
                let beside = children.join(format!("{name}.rs"));
                let child = match beside.is_file() {
                    true => beside,
                    false => folder.join("mod.rs"),
                };
                self.add(&child, &folder, path.iter().cloned().chain([name]).collect());
            }
            self.modules.entry(path.clone()).or_default().push(item);
        }
        self.modules.entry(path).or_default();
    }

    /// The deepest module that a path leads to, and what of the path is left.
    pub fn deepest<'a>(&self, path: &'a [String]) -> (ModulePath, &'a [String]) {
        let depth = (0..=path.len())
            .rev()
            .find(|depth| self.modules.contains_key(&path[..*depth]));
        let depth = depth.unwrap_or(0);
        (path[..depth].to_vec(), &path[depth..])
    }
}

fn is_for_tests(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(is_cfg_test)
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    }
}
