//! Which module of a crate names which other: a re-export counts as the module where the thing is made.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, ItemUse, Macro, Path, UseTree, Visibility};

use crate::source_tree::{ModulePath, SourceTree};

/// More steps from one re-export to the next are a circle of re-exports.
const REEXPORTS_MAX: usize = 8;

/// Who names whom.
pub type Edges<Module> = BTreeMap<Module, BTreeSet<Module>>;

/// Between a module and those below it, which belong together, there is no edge.
pub fn edges(tree: &SourceTree) -> Edges<ModulePath> {
    let reexports = reexports(tree);
    let mut edges = Edges::new();
    for (module, items) in &tree.modules {
        let mut named = NamedPaths::default();
        items.iter().for_each(|item| named.visit_item(item));
        let targets = named
            .paths
            .iter()
            .filter_map(|path| absolute(tree, module, path))
            .map(|path| owner(tree, &reexports, path))
            .filter(|target| !target.starts_with(module) && !module.starts_with(target));
        edges.entry(module.clone()).or_default().extend(targets);
    }
    edges
}

/// The groups of modules that lead back to themselves.
pub fn circles<Module: Ord + Clone>(edges: &Edges<Module>) -> BTreeSet<BTreeSet<Module>> {
    let beyond: BTreeMap<&Module, BTreeSet<&Module>> = edges
        .keys()
        .map(|module| (module, reachable(edges, module)))
        .collect();
    let leads_back = |from: &Module, to: &Module| beyond.get(to).is_some_and(|back| back.contains(from));
    let circle = |(from, reached): (&&Module, &BTreeSet<&Module>)| -> BTreeSet<Module> {
        let members = reached.iter().filter(|to| leads_back(from, to));
        members.map(|to| (*to).clone()).collect()
    };
    let circles = beyond.iter().map(circle);
    circles.filter(|members| !members.is_empty()).collect()
}

fn reachable<'a, Module: Ord>(edges: &'a Edges<Module>, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&Module> = edges.get(from).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if seen.insert(module) {
            next.extend(edges.get(module).into_iter().flatten());
        }
    }
    seen
}

/// The path that each re-exported name leads to, by the module that re-exports it.
fn reexports(tree: &SourceTree) -> BTreeMap<(ModulePath, String), Vec<String>> {
    let mut found = BTreeMap::new();
    for (module, items) in &tree.modules {
        let public = items.iter().filter_map(|item| match item {
            Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => Some(item),
            _ => None,
        });
        for item in public {
            for (path, name) in use_paths(item) {
                if let Some(path) = absolute(tree, module, &path) {
                    found.insert((module.clone(), name), path);
                }
            }
        }
    }
    found
}

/// The module where the thing at a path is made.
fn owner(
    tree: &SourceTree,
    reexports: &BTreeMap<(ModulePath, String), Vec<String>>,
    mut path: Vec<String>,
) -> ModulePath {
    for _ in 0..REEXPORTS_MAX {
        let (module, rest) = tree.deepest(&path);
        let Some(name) = rest.first() else { return module };
        match reexports.get(&(module.clone(), name.clone())) {
            Some(next) if *next != path => path = next.clone(),
            _ => return module,
        }
    }
    tree.deepest(&path).0
}

/// From the crate's root on; none for what is of another crate, or of the prelude.
fn absolute(tree: &SourceTree, module: &ModulePath, path: &[String]) -> Option<Vec<String>> {
    let first = path.first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        name if name == tree.crate_name => Vec::new(),
        "self" => module.clone(),
        "super" => module.split_last()?.1.to_vec(),
        name => {
            let child: ModulePath = module.iter().cloned().chain([name.to_owned()]).collect();
            return tree
                .modules
                .contains_key(&child)
                .then(|| child.into_iter().chain(path[1..].iter().cloned()).collect());
        }
    };
    for segment in &path[1..] {
        match segment.as_str() {
            "super" => drop(base.pop()?),
            name => base.push(name.to_owned()),
        }
    }
    Some(base)
}

/// Every path of a `use`, with the name that it brings.
fn use_paths(item: &ItemUse) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    collect(&item.tree, &mut Vec::new(), &mut found);
    found
}

fn collect(tree: &UseTree, above: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let mut add = |name: String, known_as: String| {
        let named = above.iter().cloned().chain((name != "self").then_some(name));
        found.push((named.collect(), known_as));
    };
    match tree {
        UseTree::Path(path) => {
            above.push(path.ident.to_string());
            collect(&path.tree, above, found);
            above.pop();
        }
        UseTree::Name(name) => add(name.ident.to_string(), name.ident.to_string()),
        UseTree::Rename(name) => add(name.ident.to_string(), name.rename.to_string()),
        UseTree::Glob(_) => found.push((above.clone(), String::from("*"))),
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, above, found)),
    }
}

/// All paths of a module's items, those in macros too.
#[derive(Default)]
struct NamedPaths {
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for NamedPaths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.paths
            .extend(use_paths(item).into_iter().map(|(path, _)| path));
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.paths.push(segments.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast Macro) {
        self.in_tokens(found.tokens.clone());
        visit::visit_macro(self, found);
    }
}

impl NamedPaths {
    fn in_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.paths.push(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punctuation) if punctuation.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.paths.push(std::mem::take(&mut path));
                    self.in_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.paths.push(std::mem::take(&mut path)),
            }
        }
        self.paths.push(path);
    }
}
