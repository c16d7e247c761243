//! What the code names of other crates where it is compiled for a Mac.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Arm, Expr, ImplItem, Item, ItemUse, Local, Macro, Stmt, UseTree};

use crate::conditions::AppleTarget;
use crate::macro_items;

/// A path, with the line that it stands in.
pub type NamedPath = (Vec<String>, usize);

/// The paths of a file and of the modules in files below it, each from its crate on.
pub fn of_root(file: &Path, target: &AppleTarget) -> Vec<(PathBuf, NamedPath)> {
    let mut found = Vec::new();
    let folder = file.parent().expect("a folder");
    add_file(file, folder, target, &mut found);
    found
}

/// `children`: the folder that holds the files of the module's own modules.
fn add_file(file: &Path, children: &Path, target: &AppleTarget, found: &mut Vec<(PathBuf, NamedPath)>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    if !target.compiles(&parsed.attrs) {
        return;
    }
    for item in &parsed.items {
        let Item::Mod(module) = item else { continue };
        if module.content.is_some() || !target.compiles(&module.attrs) {
            continue;
        }
        let name = module.ident.to_string();
        let folder = children.join(&name);
        let beside = children.join(format!("{name}.rs"));
        match target.path_of(&module.attrs) {
            Some(named) => {
                let file = file.parent().expect("a folder").join(named);
                add_file(&file, file.parent().expect("a folder"), target, found);
            }
            None if beside.is_file() => add_file(&beside, &folder, target, found),
            None => add_file(&folder.join("mod.rs"), &folder, target, found),
        }
    }
    let named = of_items(&parsed.items, target);
    found.extend(named.into_iter().map(|named| (file.to_owned(), named)));
}

/// The paths in these items. What a `use` brings is written out.
pub fn of_items(items: &[Item], target: &AppleTarget) -> Vec<NamedPath> {
    let mut paths = UsedPaths {
        target,
        brought: BTreeMap::new(),
        paths: Vec::new(),
    };
    items.iter().for_each(|item| paths.visit_item(item));
    let UsedPaths { brought, paths, .. } = paths;
    let whole = |(path, line): NamedPath| match path.split_first() {
        Some((first, rest)) if brought.contains_key(first) => ([&brought[first][..], rest].concat(), line),
        _ => (path, line),
    };
    paths.into_iter().map(whole).collect()
}

struct UsedPaths<'a> {
    target: &'a AppleTarget,
    /// What each name stands for that a `use` brings.
    brought: BTreeMap<String, Vec<String>>,
    paths: Vec<NamedPath>,
}

impl<'ast> Visit<'ast> for UsedPaths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if self.target.compiles(macro_items::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if self.target.compiles(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if self.target.compiles(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if self.target.compiles(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Expr(expression, _) => attributes_of(expression),
            Stmt::Macro(statement) => &statement.attrs,
            _ => &[],
        };
        if self.target.compiles(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.collect(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        let line = path.segments.first().map_or(0, |segment| line_of(&segment.ident));
        self.paths.push((segments.collect(), line));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast Macro) {
        self.in_tokens(found.tokens.clone());
        visit::visit_macro(self, found);
    }
}

impl UsedPaths<'_> {
    fn collect(&mut self, tree: &UseTree, above: &mut Vec<String>) {
        let mut bring = |name: String, known_as: String, line: usize| {
            let last = (name != "self").then_some(name);
            let path: Vec<String> = above.iter().cloned().chain(last).collect();
            self.paths.push((path.clone(), line));
            // A `use` of a part of the crate itself hides nothing of another crate.
            if path.len() > 1 {
                self.brought.insert(known_as, path);
            }
        };
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.to_string());
                self.collect(&path.tree, above);
                above.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                let known_as = above.last().cloned().unwrap_or_default();
                bring("self".to_owned(), known_as, line_of(&name.ident));
            }
            UseTree::Name(name) => bring(
                name.ident.to_string(),
                name.ident.to_string(),
                line_of(&name.ident),
            ),
            UseTree::Rename(name) => {
                bring(
                    name.ident.to_string(),
                    name.rename.to_string(),
                    line_of(&name.ident),
                );
            }
            UseTree::Glob(glob) => self
                .paths
                .push((above.clone(), glob.star_token.span.start().line)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.collect(tree, above);
                }
            }
        }
    }

    fn in_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.paths.push((std::mem::take(&mut path), line));
                    }
                    line = line_of(&name);
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.paths.push((std::mem::take(&mut path), line));
                    self.in_tokens(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.paths.push((std::mem::take(&mut path), line));
                    colons = 0;
                }
            }
        }
        self.paths.push((path, line));
    }
}

fn line_of(name: &Ident) -> usize {
    name.span().start().line
}

/// Of the expressions that a `cfg` can stand on as a statement.
fn attributes_of(expression: &Expr) -> &[syn::Attribute] {
    match expression {
        Expr::Assign(expression) => &expression.attrs,
        Expr::Block(expression) => &expression.attrs,
        Expr::Call(expression) => &expression.attrs,
        Expr::ForLoop(expression) => &expression.attrs,
        Expr::If(expression) => &expression.attrs,
        Expr::Macro(expression) => &expression.attrs,
        Expr::Match(expression) => &expression.attrs,
        Expr::MethodCall(expression) => &expression.attrs,
        Expr::Return(expression) => &expression.attrs,
        Expr::Try(expression) => &expression.attrs,
        Expr::While(expression) => &expression.attrs,
        _ => &[],
    }
}
