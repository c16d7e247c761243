//! What a crate has for a Mac, read from its own source: its modules, their items, and the members of its types.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{ImplItem, Item, ItemImpl, ItemMod, Type, UseTree};

use crate::conditions::AppleTarget;
use crate::macro_items::{self, MacroContents};

/// More steps from one crate to the next are a circle.
const CRATES_MAX: usize = 8;

/// A module's path below its crate.
type ModulePath = Vec<String>;

#[derive(Default)]
struct IndexedModule {
    items: BTreeSet<String>,
    /// The name that a `use` brings, and what it stands for.
    uses: Vec<(String, Vec<String>)>,
    globs: Vec<Vec<String>>,
}

/// The crate as a Mac has it.
pub struct CrateIndex {
    target: AppleTarget,
    modules: BTreeMap<ModulePath, IndexedModule>,
    /// Constants, variants and functions of the types of this name.
    members: BTreeMap<String, BTreeSet<String>>,
    /// Those that there are on other systems alone.
    foreign_members: BTreeMap<String, BTreeSet<String>>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PathEnd {
    Module(ModulePath),
    Item(String),
    /// Of another crate.
    Outside(Vec<String>),
}

type Asked = BTreeSet<(ModulePath, String)>;

/// All crates that are looked into, by name.
pub type CrateIndexes = BTreeMap<String, CrateIndex>;

/// Whether there is something at this path for a Mac; its first segment is the crate.
pub fn is_there(indexes: &CrateIndexes, path: &[String]) -> bool {
    is_there_after(indexes, path, 0)
}

fn is_there_after(indexes: &CrateIndexes, path: &[String], crates: usize) -> bool {
    if crates > CRATES_MAX {
        return false;
    }
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    let Some(index) = indexes.get(first) else {
        return true;
    };
    let mut module = ModulePath::new();
    for (position, name) in rest.iter().enumerate() {
        if name == "self" || name == "*" {
            return true;
        }
        let below = &rest[position + 1..];
        match index.find(&module, name, &mut BTreeSet::new()) {
            Some(PathEnd::Module(found)) => module = found,
            Some(PathEnd::Item(item)) => {
                return below.first().is_none_or(|member| index.has_member(&item, member));
            }
            Some(PathEnd::Outside(path)) => {
                return is_there_after(indexes, &[&path[..], below].concat(), crates + 1);
            }
            None => return false,
        }
    }
    true
}

impl CrateIndex {
    /// `source`: the crate's `lib.rs`.
    pub fn read(source: &Path, target: AppleTarget) -> CrateIndex {
        let mut index = CrateIndex {
            target,
            modules: BTreeMap::new(),
            members: BTreeMap::new(),
            foreign_members: BTreeMap::new(),
        };
        let folder = source.parent().expect("a folder").to_owned();
        index.add_file(source, &folder, &ModulePath::new());
        assert!(index.modules.len() > 3, "{}: no modules", source.display());
        index
    }

    /// `children`: the folder that holds the files of the module's own modules.
    fn add_file(&mut self, file: &Path, children: &Path, module: &ModulePath) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let folder = file.parent().expect("a folder");
        self.add_items(parsed.items, folder, children, module);
    }

    /// `folder`: the one that `#[path]` starts from.
    fn add_items(&mut self, items: Vec<Item>, folder: &Path, children: &Path, module: &ModulePath) {
        self.modules.entry(module.clone()).or_default();
        for item in items {
            let compiled = self.target.compiles(macro_items::attributes(&item));
            match item {
                Item::Impl(item) => self.add_members(&item, compiled),
                _ if !compiled => {}
                Item::Mod(item) => self.add_module(item, folder, children, module),
                Item::Use(item) => self.add_use(&item.tree, &mut Vec::new(), module),
                // An exported macro stands at the top of its crate, wherever it is made.
                Item::Macro(item) if macro_items::is_exported(&item) => {
                    let name = item.ident.iter().map(ToString::to_string);
                    self.entry(&Vec::new()).items.extend(name);
                }
                Item::Macro(item) => match macro_items::contents(&item, &self.target) {
                    MacroContents::Items(items) => self.add_items(items, folder, children, module),
                    MacroContents::Names(names) => {
                        self.entry(module).items.extend(names.items);
                        for (name, members) in names.members {
                            self.members.entry(name).or_default().extend(members);
                        }
                        for (name, members) in names.foreign_members {
                            self.foreign_members.entry(name).or_default().extend(members);
                        }
                    }
                },
                Item::Enum(item) => {
                    let name = item.ident.to_string();
                    for variant in &item.variants {
                        let compiled = self.target.compiles(&variant.attrs);
                        self.add_member(&name, variant.ident.to_string(), compiled);
                    }
                    self.entry(module).items.insert(name);
                }
                other => {
                    let names = macro_items::names(&other, &self.target);
                    self.entry(module).items.extend(names);
                }
            }
        }
    }

    fn entry(&mut self, module: &ModulePath) -> &mut IndexedModule {
        self.modules.entry(module.clone()).or_default()
    }

    fn add_module(&mut self, item: ItemMod, folder: &Path, children: &Path, module: &ModulePath) {
        let name = item.ident.to_string();
        let path: ModulePath = module.iter().cloned().chain([name.clone()]).collect();
        let below = children.join(&name);
        if let Some((_, items)) = item.content {
            return self.add_items(items, &below, &below, &path);
        }
        let (file, children): (PathBuf, PathBuf) = match self.target.path_of(&item.attrs) {
            Some(named) => {
                let file = folder.join(named);
                let children = file.parent().expect("a folder").to_owned();
                (file, children)
            }
            None if children.join(format!("{name}.rs")).is_file() => {
                (children.join(format!("{name}.rs")), below)
            }
            None => (below.join("mod.rs"), below),
        };
        self.add_file(&file, &children, &path);
    }

    fn add_use(&mut self, tree: &UseTree, above: &mut Vec<String>, module: &ModulePath) {
        let mut bring = |name: String, known_as: String| {
            let last = (name != "self").then_some(name);
            let path: Vec<String> = above.iter().cloned().chain(last).collect();
            self.modules
                .entry(module.clone())
                .or_default()
                .uses
                .push((known_as, path));
        };
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.to_string());
                self.add_use(&path.tree, above, module);
                above.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                let known_as = above.last().cloned().unwrap_or_default();
                bring("self".to_owned(), known_as);
            }
            UseTree::Name(name) => bring(name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => bring(name.ident.to_string(), name.rename.to_string()),
            UseTree::Glob(_) => self.entry(module).globs.push(above.clone()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, above, module);
                }
            }
        }
    }

    fn add_members(&mut self, item: &ItemImpl, compiled: bool) {
        let Type::Path(of) = &*item.self_ty else { return };
        let Some(name) = of.path.segments.last().map(|segment| segment.ident.to_string()) else {
            return;
        };
        for member in &item.items {
            let (attributes, ident) = match member {
                ImplItem::Fn(member) => (&member.attrs, &member.sig.ident),
                ImplItem::Const(member) => (&member.attrs, &member.ident),
                _ => continue,
            };
            let compiled = compiled && self.target.compiles(attributes);
            self.add_member(&name, ident.to_string(), compiled);
        }
    }

    fn add_member(&mut self, name: &str, member: String, compiled: bool) {
        let members = match compiled {
            true => &mut self.members,
            false => &mut self.foreign_members,
        };
        members.entry(name.to_owned()).or_default().insert(member);
    }

    /// What a type derives is in no list, so a function counts as there unless it is seen to be for others alone.
    fn has_member(&self, item: &str, member: &str) -> bool {
        let has = |members: &BTreeMap<String, BTreeSet<String>>| {
            members.get(item).is_some_and(|members| members.contains(member))
        };
        let is_constant = member.starts_with(|first: char| first.is_ascii_uppercase());
        let is_listed = self.members.get(item).is_some_and(|members| !members.is_empty());
        has(&self.members) || !(has(&self.foreign_members) || (is_constant && is_listed))
    }

    /// `asked`: what is being looked for already, as re-exports can lead in circles.
    fn find(&self, module: &ModulePath, name: &str, asked: &mut Asked) -> Option<PathEnd> {
        let indexed = self.modules.get(module)?;
        let child: ModulePath = module.iter().cloned().chain([name.to_owned()]).collect();
        if self.modules.contains_key(&child) {
            return Some(PathEnd::Module(child));
        }
        if indexed.items.contains(name) {
            return Some(PathEnd::Item(name.to_owned()));
        }
        let question = (module.clone(), name.to_owned());
        if !asked.insert(question.clone()) {
            return None;
        }
        let end = self.find_brought(module, name, asked);
        asked.remove(&question);
        end
    }

    /// The same, of what a `use` brings.
    fn find_brought(&self, module: &ModulePath, name: &str, asked: &mut Asked) -> Option<PathEnd> {
        let indexed = self.modules.get(module)?;
        for (known_as, path) in &indexed.uses {
            if known_as == name
                && let Some(end) = self.follow(module, path, asked)
            {
                return Some(end);
            }
        }
        for glob in &indexed.globs {
            let end = match self.follow(module, glob, asked) {
                Some(PathEnd::Module(from)) if from != *module => self.find(&from, name, asked),
                Some(PathEnd::Outside(path)) if is_system_crate(&path[0]) => {
                    Some(PathEnd::Outside([&path[..], &[name.to_owned()]].concat()))
                }
                _ => None,
            };
            if end.is_some() {
                return end;
            }
        }
        None
    }

    /// What a path of a `use` in this module leads to.
    fn follow(&self, module: &ModulePath, path: &[String], asked: &mut Asked) -> Option<PathEnd> {
        let (first, rest) = path.split_first()?;
        let mut end = match first.as_str() {
            "crate" => PathEnd::Module(Vec::new()),
            "self" => PathEnd::Module(module.clone()),
            "super" => PathEnd::Module(module.split_last()?.1.to_vec()),
            // A module's own name can be that of a crate that it brings.
            name => {
                let is_own = |(known_as, path): &(String, Vec<String>)| known_as == name && path.len() > 1;
                let child: ModulePath = module.iter().cloned().chain([name.to_owned()]).collect();
                let indexed = self.modules.get(module)?;
                let is_here = self.modules.contains_key(&child)
                    || indexed.items.contains(name)
                    || indexed.uses.iter().any(is_own);
                match is_here.then(|| self.find(module, name, asked)).flatten() {
                    Some(end) => end,
                    None => return Some(PathEnd::Outside(path.to_vec())),
                }
            }
        };
        for name in rest {
            end = match end {
                PathEnd::Module(module) if name == "super" => {
                    PathEnd::Module(module.split_last()?.1.to_vec())
                }
                PathEnd::Module(module) => self.find(&module, name, asked)?,
                PathEnd::Outside(path) => PathEnd::Outside([&path[..], std::slice::from_ref(name)].concat()),
                PathEnd::Item(_) => PathEnd::Item(name.clone()),
            };
        }
        Some(end)
    }
}

/// Whether all that a glob brings of this crate is worth a look.
fn is_system_crate(name: &str) -> bool {
    name == "libc"
}
